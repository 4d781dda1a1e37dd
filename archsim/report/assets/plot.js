// The plot of the points: any column over any other, in colours, shapes, panels and lines, with its Pareto front.

// Named one by one: other buttons would send points elsewhere.
const BUTTONS = [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]];

class PointsPlot {
  constructor(columns, rows, first, chosen, changed) {
    Object.assign(this, { columns, chosen, changed, box: document.getElementById("plot"), drawn: false, inputs: {} });
    this.axes = [...columns.values()].filter((column) => column.group === "axis");
    this.build(first, rows);
  }

  build(first, rows) {
    const any = (column) => column.name !== "point_id";
    const few = (column) => any(column) && (column.ticks ?? column.texts)?.length <= SYMBOLS.length;
    const select = (id, words, fits, name, none) => {
      const list = columnSelect(this.columns, fits, name, { id });
      if (none) list.prepend(make("option", { value: "", selected: !name }, none));
      list.addEventListener("change", () => { this.fit(id); this.changed(); });
      this.inputs[id] = list;
      return make("label", {}, words, list);
    };
    const tick = (id, words, on) => {
      this.inputs[id] = make("input", { type: "checkbox", id, checked: on, onchange: () => this.changed() });
      return make("label", { class: "tick" }, this.inputs[id], words);
    };
    const form = document.getElementById("plot-controls");
    form.addEventListener("submit", (event) => event.preventDefault());
    const better = (id, words) => {
      this.inputs[id] = make("select", { id, onchange: () => this.changed() }, make("option", { value: "" }, "less"), make("option", { value: "more" }, "more"));
      return make("label", { class: "tick better", hidden: true }, words, this.inputs[id]);
    };
    form.replaceChildren(
      select("x", "Across (x)", any, first.x), select("y", "Up (y)", any, first.y),
      select("colour", "Colour", any, first.colour, "none"), select("shape", "Shape", few, first.shape, "none"),
      select("panel", "Panels", few, "", "none"),
      tick("log-x", "log x", false), tick("log-y", "log y", false), tick("lines", "lines", rows <= SVG_POINTS), tick("pareto", "Pareto front", false),
      better("better-x", "better x:"), better("better-y", "better y:"),
    );
    this.fit("x");
    this.fit("y");
    this.inputs["log-y"].checked = first.log_y && !this.inputs["log-y"].disabled;
  }

  column(id) {
    return this.columns.get(this.inputs[id].value) ?? null;
  }

  /** Set what goes with a newly chosen column: its scale, and which way is better. */
  fit(id) {
    if (id !== "x" && id !== "y") return;
    const column = this.column(id);
    const log = this.inputs[`log-${id}`];
    log.disabled = column.kind === "choice" || !(column.least > 0);
    log.checked = !log.disabled && column.log === true;
    this.inputs[`better-${id}`].value = column.more ? "more" : "";
  }

  /** The front among these points, for the table's marks; empty when it is not asked for. */
  front(rows) {
    const [x, y] = [this.column("x"), this.column("y")];
    document.querySelectorAll(".better").forEach((label) => { label.hidden = !this.inputs.pareto.checked; });
    if (!this.inputs.pareto.checked || x.kind === "choice" || y.kind === "choice") return new Set();
    const panels = this.column("panel") ? grouped(rows, [this.column("panel")]) : [{ rows }];
    const more = [this.inputs["better-x"].value === "more", this.inputs["better-y"].value === "more"];
    return new Set(panels.flatMap((panel) => paretoFront(panel.rows, x, y, more)));
  }

  look() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(`--${name}`).trim();
    return { back: value("back"), ink: value("ink"), soft: value("soft"), line: value("line"), mark: value("focus") };
  }

  draw(rows, front) {
    if (!window.Plotly) return;
    const look = this.look(), x = this.column("x"), y = this.column("y"), panel = this.column("panel");
    const all = panel ? grouped(rows, [panel]) : [{ values: [], rows }];
    const panels = all.slice(0, MOST_PANELS);
    const across = Math.min(panels.length || 1, this.box.clientWidth < 600 ? 1 : panels.length === 4 ? 2 : 3);
    const down = Math.max(1, Math.ceil(panels.length / across));
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: look.ink, family: "system-ui, sans-serif", size: 13 },
      margin: { l: 55, r: 15, t: panel ? 30 : 12, b: 45 }, hovermode: "closest", showlegend: true, annotations: [],
      height: down === 1 ? 460 : 110 + 270 * down, uirevision: `${x.name}|${y.name}|${this.inputs["log-x"].checked}|${this.inputs["log-y"].checked}`,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, title: { side: "top" }, itemsizing: "constant" },
      hoverlabel: { align: "left" }, modebar: { bgcolor: "rgba(0,0,0,0)", color: look.soft, activecolor: look.ink },
    };
    if (panels.length > 1) layout.grid = { rows: down, columns: across, pattern: "independent", xgap: 0.12, ygap: 0.25 };
    if (this.column("shape")) layout.legend.title.text = plain(this.column("shape").label);
    const colour = this.colours(rows, layout, look);
    const traces = panels.flatMap((group, i) => this.panel(group, i, layout, colour, front, look, rows.length));
    panels.forEach((_, i) => {
      // Titles stand at the edges of the whole only.
      if (i + across < panels.length) layout[`xaxis${i ? i + 1 : ""}`].title.text = "";
      if (i % across) layout[`yaxis${i ? i + 1 : ""}`].title.text = "";
    });
    this.react(traces, layout);
    this.note(rows, all.length, x, y);
  }

  /** Say of each row its colour, or of all a scale. */
  colours(rows, layout, look) {
    const column = this.column("colour");
    if (!column) return { column: null, groups: () => COLOURS[0] };
    if (isDiscrete(column)) {
      const values = distinct(column, [...Array((column.codes ?? column.values).length).keys()]);
      const list = colourOf(column, values.filter((value) => value !== null));
      layout.legend.title.text = [column, this.column("shape")].filter(Boolean).map((each) => plain(each.label)).join(", ");
      return { column, discrete: true, of: (value) => (value === null ? look.soft : list[values.indexOf(value)]) };
    }
    const there = rows.map((row) => scaled(column, row)).filter((value) => value !== null);
    const [low, high] = [there.reduce((a, b) => Math.min(a, b), Infinity), there.reduce((a, b) => Math.max(a, b), -Infinity)];
    layout.coloraxis = { colorscale: colorscale(), cmin: low, cmax: high, colorbar: { title: { text: plain(column.label), side: "right" }, thickness: 12, outlinewidth: 0 } };
    return { column, discrete: false };
  }

  panel(group, number, layout, colour, front, look, total) {
    const suffix = number ? String(number + 1) : "";
    const x = this.column("x"), y = this.column("y"), shape = this.column("shape"), panel = this.column("panel");
    layout[`xaxis${suffix}`] = { ...axisOf(x, this.inputs["log-x"].checked, look), ...(number ? { matches: "x" } : {}) };
    layout[`yaxis${suffix}`] = { ...axisOf(y, this.inputs["log-y"].checked, look), ...(number ? { matches: "y" } : {}) };
    if (panel) {
      layout.annotations.push({
        text: plain(`${panel.label}: ${tickOf(panel, group.values[0])}`), showarrow: false, x: 0.5, xref: `x${suffix} domain`,
        y: 1, yref: `y${suffix} domain`, yanchor: "bottom", font: { color: look.soft, size: 12 },
      });
    }
    const apart = [...(colour.discrete ? [colour.column] : []), ...(shape ? [shape] : [])];
    const seen = (this.seen = number ? this.seen : new Set());
    const symbols = shape ? distinct(shape, [...Array((shape.codes ?? shape.values).length).keys()]) : [];
    const base = { type: total > SVG_POINTS ? "scattergl" : "scatter", xaxis: `x${suffix}`, yaxis: `y${suffix}` };
    const traces = grouped(group.rows, apart).map((one) => {
      const [value, form] = colour.discrete ? one.values : [null, one.values[0]];
      const names = [...(colour.discrete ? [tickOf(colour.column, value)] : []), ...(shape ? [tickOf(shape, form)] : [])];
      const name = plain(names.join(", ") || "points");
      const fill = colour.discrete ? colour.of(value) : COLOURS[0];
      const marker = { size: total > 2000 ? 5 : 7, symbol: shape ? SYMBOLS[symbols.indexOf(form) % SYMBOLS.length] : "circle", color: fill };
      const dash = shape ? DASHES[symbols.indexOf(form) % DASHES.length] : "solid";
      const trace = { ...base, ...this.places(one.rows), name, legendgroup: name, showlegend: names.length > 0 && !seen.has(name), marker };
      if (colour.column && !colour.discrete) {
        marker.color = trace.customdata.map((row) => (row === null ? null : scaled(colour.column, row)));
        marker.coloraxis = "coloraxis";
        trace.line = { color: look.line, width: 1, dash };
      } else trace.line = { color: fill, width: 1, dash };
      // In the legend a scale of colours is no colour: there the shape stands alone.
      const legend = trace.showlegend && marker.coloraxis
        ? [{ ...base, x: [null], y: [null], customdata: [null], mode: "markers", name, legendgroup: name, marker: { ...marker, color: look.soft, coloraxis: null } }] : [];
      if (legend.length) trace.showlegend = false;
      const levels = this.levels(one.rows, base, name, fill, look);
      // A group that is level lines only is named by the first of them.
      if (levels.length && !trace.x.length) {
        if (!legend.length) levels[0].showlegend = trace.showlegend;
        seen.add(name);
        return [...legend, ...levels];
      }
      seen.add(name);
      return [trace, ...legend, ...levels];
    }).flat();
    const own = group.rows.filter((row) => front.has(row));
    if (own.length) {
      own.sort((a, b) => x.at(a) - x.at(b));
      traces.push({
        ...base, ...this.places(own, false), mode: "lines+markers", name: "Pareto front", legendgroup: "front", showlegend: number === 0,
        line: { color: look.mark, width: 2, shape: "linear" }, marker: { symbol: "circle-open", size: 12, color: look.mark, line: { width: 2 } },
      });
    }
    if (group.rows.includes(this.chosen.row)) {
      const level = this.levels([this.chosen.row], base, "", look.ink, look)[0];
      traces.push({
        ...base, ...(level ?? this.places([this.chosen.row], false)), mode: "markers", name: "marked point", showlegend: false,
        marker: { symbol: "circle-open", size: 20, color: look.ink, line: { width: 3 } },
      });
    }
    return traces;
  }

  /** Where rows stand, what is said about them, and how they are joined. */
  places(rows, joined = this.inputs.lines.checked) {
    const x = this.column("x"), y = this.column("y");
    const apart = this.axes.filter((column) => column !== x);
    const order = joined && x.group === "axis" ? alongLines(rows, x, apart) : rows;
    const place = (column) => order.map((row) => {
      const value = row === null ? null : scaled(column, row);
      return column.kind === "choice" && value !== null ? plain(value) : value;
    });
    const told = [...new Set([x, y, this.column("colour"), ...this.axes])].filter(Boolean);
    return {
      x: place(x), y: place(y), customdata: order, connectgaps: false, mode: joined && x.group === "axis" ? "lines+markers" : "markers",
      text: order.map((row) => row === null ? "" : [`<b>point ${row + 1}</b>`,
        ...told.map((column) => `${plain(column.name)}: ${plain(shownValue(column, column.at(row)))}`)].join("<br>")),
      hovertemplate: "%{text}<extra></extra>",
    };
  }

  /** Rows without a value on the axis across, such as a host where a near-memory unit varies: a level line each. */
  levels(rows, base, name, fill, look) {
    const x = this.column("x"), y = this.column("y");
    if (x.group !== "axis" || x.kind !== "number" || x.least === Infinity) return [];
    const ends = x.least < x.most ? [x.least, x.most] : [x.least];
    return rows.filter((row) => x.at(row) === null && y.at(row) !== null).map((row) => {
      const told = this.places([row], false);
      const twice = (list) => ends.map(() => list[0]);
      const colour = this.column("colour");
      const shade = colour && !isDiscrete(colour) ? look.soft : fill;
      return {
        ...base, ...told, x: ends.map((end) => end * x.factor), y: twice(told.y), text: twice(told.text), customdata: twice(told.customdata),
        mode: ends.length > 1 ? "lines" : "markers", name, legendgroup: name, showlegend: false, line: { color: shade, width: 1.5, dash: "longdash" },
        marker: { color: shade, symbol: "line-ew-open", size: 14 },
      };
    });
  }

  react(traces, layout) {
    const options = { displaylogo: false, responsive: true, modeBarButtons: BUTTONS, toImageButtonOptions: { filename: "points", scale: 2 } };
    window.Plotly.react(this.box, traces, layout, options);
    if (!this.drawn) {
      this.drawn = true;
      this.box.on("plotly_click", (event) => {
        const row = event.points[0]?.customdata;
        if (Number.isInteger(row)) this.chosen.set(this.chosen.row === row ? null : row);
      });
    }
  }

  note(rows, panels, x, y) {
    const level = x.group === "axis" && x.kind === "number" && x.least < Infinity
      ? rows.filter((row) => x.at(row) === null && y.at(row) !== null).length : 0;
    const absent = rows.filter((row) => x.at(row) === null || y.at(row) === null).length - level;
    const have = (number) => (number === 1 ? "1 point has" : `${count(number)} points have`);
    const words = [];
    if (level) words.push(`${have(level)} no ${x.name}: dashed level line${level === 1 ? "" : "s"}.`);
    if (absent) words.push(`${have(absent)} no ${x.name} or no ${y.name}.`);
    const alike = this.alike(rows, x);
    if (alike.length) words.push(`Lines of one look differ in ${alike.join(", ")}.`);
    if (panels > MOST_PANELS) words.push(`The first ${MOST_PANELS} of ${panels} panels.`);
    if (this.inputs.pareto.checked && (x.kind === "choice" || y.kind === "choice")) words.push("A Pareto front needs numbers on both axes.");
    document.getElementById("plot-note").textContent = words.join(" ");
  }

  /** Axes that tell lines apart although neither colour nor shape nor panel does. */
  alike(rows, x) {
    if (!this.inputs.lines.checked || x.group !== "axis") return [];
    const looks = ["colour", "shape", "panel"].map((id) => this.column(id)).filter(Boolean);
    const groups = grouped(rows, looks.filter((column) => isDiscrete(column)));
    return this.axes.filter((column) => column !== x && !looks.includes(column)
      && groups.some((group) => distinct(column, group.rows).length > 1)).map((column) => column.name);
  }

  /** Every point as a line across all axes and the metrics that are plotted. */
  parallel(rows) {
    const box = document.getElementById("parallel-plot");
    if (!window.Plotly || !document.getElementById("parallel").open) return;
    const look = this.look();
    const columns = [...new Set([...this.axes, this.column("x"), this.column("y"), this.column("colour")])].filter(Boolean);
    const dimensions = columns.map((column) => {
      if (column.kind === "choice") {
        return { label: plain(column.name), values: rows.map((row) => column.codes[row]), tickvals: column.texts.map((_, i) => i), ticktext: column.texts.map(plain), range: [0, Math.max(1, column.texts.length - 1)] };
      }
      // Values that are spaced by ratios stand at equal distances.
      const place = column.log ? (value) => Math.log2(value) : (value) => value * column.factor;
      const ticks = column.ticks ? { tickvals: column.ticks.map(place), ticktext: column.texts } : {};
      return { label: plain(column.label), values: rows.map((row) => (column.at(row) === null ? NaN : place(column.at(row)))), ...ticks };
    });
    const y = this.column("y");
    const line = y.kind === "number"
      ? { color: rows.map((row) => scaled(y, row) ?? NaN), colorscale: colorscale(), showscale: false } : { color: COLOURS[0] };
    window.Plotly.react(box, [{ type: "parcoords", dimensions, line, labelfont: { size: 12 } }], {
      paper_bgcolor: "rgba(0,0,0,0)", font: { color: look.ink, family: "system-ui, sans-serif", size: 12 }, height: 380,
      width: Math.max(740, box.parentElement.clientWidth - 4), margin: { l: 70, r: 70, t: 60, b: 25 },
    }, { displaylogo: false, displayModeBar: false });
  }
}
