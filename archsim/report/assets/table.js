// The table of the points: sorted by any column, a page at a time, with the columns that are wanted.

const PAGE_SIZES = [25, 50, 100, 500];

class PointsTable {
  constructor(columns, shown, chosen) {
    Object.assign(this, { columns, shown: new Set(shown), chosen, rows: [], by: null, down: false, page: 0, size: 25 });
    this.table = document.getElementById("points-table");
    this.pager = document.getElementById("pager");
    this.controls();
  }

  controls() {
    const boxes = [...this.columns.values()].map((column) => {
      const box = make("input", { type: "checkbox", checked: this.shown.has(column.name), value: column.name });
      box.addEventListener("change", () => {
        if (box.checked) this.shown.add(column.name);
        else this.shown.delete(column.name);
        this.draw();
      });
      return make("label", { class: "tick", title: column.about }, box, column.name);
    });
    const search = make("input", { type: "search", "aria-label": "Search columns", placeholder: "part of a name" });
    search.addEventListener("input", () => {
      boxes.forEach((label) => { label.hidden = !label.textContent.toLowerCase().includes(search.value.toLowerCase()); });
    });
    document.getElementById("table-controls").replaceChildren(
      make("button", { type: "button", id: "csv", onclick: () => this.save() }, "Save these points as CSV"),
      make("details", { id: "column-chooser" }, make("summary", {}, `Columns (${this.columns.size})`), search,
        make("div", { class: "columns" }, ...boxes)),
    );
  }

  /** Show these points, as long as the same ones from the same page on. */
  set(rows, front = new Set()) {
    this.rows = rows;
    this.front = front;
    this.page = 0;
    this.draw();
  }

  sorted() {
    if (!this.by) return this.rows;
    const column = this.columns.get(this.by), sign = this.down ? -1 : 1;
    const order = (a, b) => (column.kind === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
    return [...this.rows].sort((a, b) => {
      const [x, y] = [column.at(a), column.at(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * order(x, y);
    });
  }

  sortBy(name) {
    this.down = this.by === name ? !this.down : false;
    this.by = name;
    this.page = 0;
    this.draw();
  }

  /** Turn to the page of a point. */
  show(row) {
    const place = this.sorted().indexOf(row);
    if (place >= 0) this.page = Math.floor(place / this.size);
    this.draw();
  }

  draw() {
    const shown = [...this.columns.values()].filter((column) => this.shown.has(column.name));
    const focused = document.activeElement?.dataset?.sort;
    const head = shown.map((column) => {
      const mine = this.by === column.name;
      const arrow = mine ? (this.down ? " ▼" : " ▲") : "";
      const button = make("button", { type: "button", "data-sort": column.name, onclick: () => this.sortBy(column.name) }, `${column.name}${arrow}`);
      const order = mine ? (this.down ? "descending" : "ascending") : "none";
      return make("th", { scope: "col", class: column.kind === "number" ? "n" : null, title: column.about, "aria-sort": order }, button);
    });
    const order = this.sorted();
    const last = Math.max(0, Math.ceil(order.length / this.size) - 1);
    this.page = Math.min(this.page, last);
    const part = order.slice(this.page * this.size, (this.page + 1) * this.size);
    const body = part.map((row) => {
      const picked = this.chosen.row === row;
      const button = make("button", {
        type: "button", class: "pick", "aria-pressed": String(picked), "aria-label": `mark point ${row + 1} in the plot`,
        onclick: () => this.chosen.set(picked ? null : row),
      }, String(row + 1));
      const first = make("th", { scope: "row" }, button, this.front.has(row) ? make("span", { title: "on the Pareto front" }, " ★") : null);
      const cells = shown.map((column) =>
        make("td", { class: column.kind === "number" ? "n" : null }, shownValue(column, column.at(row))));
      return make("tr", { class: picked ? "chosen" : null, "data-row": row }, first, ...cells);
    });
    this.table.replaceChildren(
      make("caption", {}, "Points that pass the filters; a click on a name sorts, on a number marks the point in the plot"),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "point"), ...head)),
      make("tbody", {}, ...body),
    );
    if (focused) [...this.table.querySelectorAll("[data-sort]")].find((b) => b.dataset.sort === focused)?.focus();
    this.turn(order.length, last);
  }

  turn(points, last) {
    const go = (page) => () => { this.page = page; this.draw(); };
    const button = (words, page, off, id) => make("button", { type: "button", id, disabled: off, onclick: go(page) }, words);
    const size = make("select", { id: "page-size" }, ...PAGE_SIZES.map((n) => make("option", { value: n, selected: n === this.size }, n)));
    size.addEventListener("change", () => { this.size = Number(size.value); this.page = 0; this.draw(); });
    const from = points ? this.page * this.size + 1 : 0, to = Math.min(points, (this.page + 1) * this.size);
    const held = document.activeElement?.id;
    this.pager.replaceChildren(
      button("First", 0, this.page === 0, "page-first"),
      button("Previous", this.page - 1, this.page === 0, "page-previous"),
      make("span", {}, `${count(from)}–${count(to)} of ${count(points)}`),
      button("Next", this.page + 1, this.page === last, "page-next"),
      button("Last", last, this.page === last, "page-last"),
      make("label", { class: "tick" }, "rows", size),
    );
    if (held?.startsWith("page-")) document.getElementById(held)?.focus();
  }

  save() {
    const content = csvOf([...this.columns.values()], this.sorted());
    const address = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
    const link = make("a", { href: address, download: "points.csv" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }
}
