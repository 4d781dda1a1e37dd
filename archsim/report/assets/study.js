// Puts filters, table and plot of a study together: whatever changes one changes the others.

async function loadLibrary() {
  if (!document.getElementById("plot-library")) return false;
  const script = document.createElement("script");
  script.textContent = await unpacked("plot-library");
  document.head.append(script);
  return window.Plotly !== undefined;
}

async function startStudy() {
  const note = document.getElementById("explorer-note");
  if (typeof DecompressionStream === "undefined") {
    note.textContent = "This browser cannot unpack the points (it lacks DecompressionStream); the tables and pictures below need nothing.";
    note.hidden = false;
    return;
  }
  const study = JSON.parse(await unpacked("study-data"));
  const columns = columnsOf(study);
  document.getElementById("explorer").hidden = false;
  const chosen = { row: null, set(row) { this.row = row; if (row !== null) table.show(row); else table.draw(); drawPlot(); } };
  let rows = [], front = new Set(), waiting = 0;
  const drawPlot = () => { plot.draw(rows, front); };
  const update = () => {
    rows = filters.rows();
    front = plot ? plot.front(rows) : front;
    document.getElementById("count").textContent = `${count(rows.length)} of ${count(study.rows)} point${study.rows === 1 ? "" : "s"}`
      + (front.size ? `, ${count(front.size)} of them on the Pareto front` : "");
    table.set(rows, front);
    // Many points take a while to draw: not at every letter that is typed.
    clearTimeout(waiting);
    waiting = setTimeout(() => { drawPlot(); plot.parallel(rows); }, 60);
  };
  const table = new PointsTable(columns, study.first.shown, chosen);
  const plotting = await loadLibrary();
  document.getElementById("plot-part").hidden = !plotting;
  const plot = new PointsPlot(columns, study.rows, study.first, chosen, update);
  const filters = new Filters(columns, study.rows, study.first.filters, update);
  document.getElementById("parallel").addEventListener("toggle", () => plot.parallel(rows));
  const redraw = () => { drawPlot(); plot.parallel(rows); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("print").addEventListener("change", drawPlot);
  update();
  document.documentElement.dataset.ready = "true";
}

if (document.getElementById("study-data")) {
  startStudy().catch((error) => {
    const note = document.getElementById("explorer-note");
    note.textContent = `The points cannot be shown: ${error}`;
    note.hidden = false;
    throw error;
  });
}
