// From points to what Plotly draws: series, fronts, panels and axes.

// Colours that stay apart for colour-blind readers (Okabe and Ito); the last is for dark pages only.
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star", "pentagon", "hourglass", "bowtie", "hexagram"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
/** More points than this are drawn with WebGL. */
const SVG_POINTS = 4000;
const MOST_PANELS = 12;
const MOST_COLOURS = 12;

/** Plotly reads some HTML in texts. */
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const scaled = (column, row) => {
  const value = column.at(row);
  return value === null || column.kind === "choice" ? value : value * column.factor;
};

/** Points that no other beats in both; of equal ones all. `more` says of x and of y whether more is better. */
function paretoFront(rows, x, y, more) {
  const sign = more.map((up) => (up ? -1 : 1));
  const places = rows
    .filter((row) => x.at(row) !== null && y.at(row) !== null)
    .map((row) => [sign[0] * x.at(row), sign[1] * y.at(row), row])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const front = [];
  let best = Infinity, at = null;
  for (const [a, b, row] of places) {
    if (b < best || (b === best && a === at)) {
      front.push(row);
      [best, at] = [b, a];
    }
  }
  return front;
}

/** Group rows by the values of columns, in the order of those values. */
function grouped(rows, columns) {
  let groups = [{ values: [], rows }];
  for (const column of columns) {
    groups = groups.flatMap((group) => distinct(column, group.rows).map((value) => (
      { values: [...group.values, value], rows: group.rows.filter((row) => column.at(row) === value) })));
  }
  return groups;
}

/** Rows as lines along x: one for each value of the other axes, null between them. */
function alongLines(rows, x, apart) {
  const key = (row) => JSON.stringify(apart.map((column) => column.at(row)));
  const lines = new Map();
  for (const row of rows) {
    if (x.at(row) === null) continue;
    const name = key(row);
    if (!lines.has(name)) lines.set(name, []);
    lines.get(name).push(row);
  }
  const order = (a, b) => (x.kind === "number" ? x.at(a) - x.at(b) : x.codes[a] - x.codes[b]);
  return [...lines.values()].flatMap((line) => [...line.sort(order), null]);
}

function isDiscrete(column) {
  return column.kind === "choice" || (column.ticks !== undefined && column.ticks.length <= MOST_COLOURS);
}

/** Colours for values in order: of names the palette, of numbers a scale of brightness. */
function colourOf(column, values) {
  if (column.kind === "choice") return values.map((_, i) => COLOURS[i % COLOURS.length]);
  const scale = amounts();
  return values.map((_, i) => mixed(scale, values.length > 1 ? ((scale.length - 1) * i) / (values.length - 1) : 0));
}

/** Colours for amounts (cividis), without the end that the page swallows. */
function amounts() {
  const scale = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
  return matchMedia("(prefers-color-scheme: dark)").matches ? scale.slice(2) : scale.slice(0, 9);
}

const colorscale = () => amounts().map((colour, i, all) => [i / (all.length - 1), colour]);

function mixed(scale, place) {
  const low = Math.floor(place), share = place - low, high = Math.min(low + 1, scale.length - 1);
  const part = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mix = [0, 1, 2].map((i) => Math.round(part(scale[low], i) * (1 - share) + part(scale[high], i) * share));
  return `rgb(${mix.join(",")})`;
}

function axisOf(column, log, look) {
  const axis = {
    title: { text: plain(column.label), standoff: 8 }, gridcolor: look.line, linecolor: look.line, zerolinecolor: look.line,
    automargin: true, type: column.kind === "choice" ? "category" : log ? "log" : "linear",
  };
  if (column.kind === "choice") Object.assign(axis, { categoryorder: "array", categoryarray: column.texts.map(plain) });
  else if (column.ticks) {
    const every = Math.ceil(column.ticks.length / 12);
    Object.assign(axis, {
      tickmode: "array",
      tickvals: column.ticks.filter((_, i) => i % every === 0),
      ticktext: column.texts.filter((_, i) => i % every === 0),
    });
  } else if (log) axis.dtick = column.most > 100 * column.least ? 1 : column.most > 5 * column.least ? "D2" : "D1";
  return axis;
}
