// Filters of the points: a range for numbers, a choice or a search for names.

const MOST_CHOICES = 24;

class Filters {
  constructor(columns, rows, names, changed) {
    Object.assign(this, { columns, changed, all: [...Array(rows).keys()], tests: new Map() });
    this.form = document.getElementById("filters");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.names = names;
    this.build();
  }

  build() {
    this.tests.clear();
    const filterable = (column) => column.name !== "point_id";
    const add = columnSelect(this.columns, filterable, "", { id: "add-filter" });
    add.prepend(make("option", { value: "", selected: true }, "another column…"));
    add.addEventListener("change", () => {
      if (add.value) this.add(add.value, true);
      add.value = "";
    });
    this.tail = make("label", {}, "Filter by", add);
    this.form.replaceChildren(
      this.tail,
      make("button", { type: "button", id: "reset-filters", onclick: () => { this.build(); this.changed(); } }, "Reset filters"),
    );
    this.names.forEach((name) => this.add(name));
  }

  add(name, focus = false) {
    const id = `filter-${name}`;
    let field = document.getElementById(id);
    if (!field) {
      const column = this.columns.get(name);
      const inside = column.kind === "number" ? this.range(column) : this.choice(column);
      field = make("fieldset", { id, "data-column": name }, make("legend", { title: column.about }, name), inside);
      this.form.insertBefore(field, this.tail);
    }
    if (focus) field.querySelector("input").focus();
  }

  range(column) {
    const input = (side, limit) =>
      make("input", {
        type: "number", step: "any", placeholder: Number.isInteger(limit) ? limit : Number(limit.toPrecision(6)),
        "aria-label": `${column.name} ${side}`, "data-side": side, oninput: () => set(),
      });
    const low = input("at least", column.least), high = input("at most", column.most);
    const set = () => {
      const a = low.value === "" ? -Infinity : Number(low.value), b = high.value === "" ? Infinity : Number(high.value);
      const free = a === -Infinity && b === Infinity;
      this.test(column.name, free ? null : (row) => { const v = column.at(row); return v !== null && v >= a && v <= b; });
    };
    return make("span", { class: "range" }, low, "to", high);
  }

  choice(column) {
    const values = distinct(column, this.all);
    if (values.length > MOST_CHOICES) {
      const field = make("input", { type: "search", placeholder: "part of the name", "aria-label": `${column.name} contains` });
      field.addEventListener("input", () => {
        const word = field.value.toLowerCase();
        this.test(column.name, word ? (row) => (column.at(row) ?? "").toLowerCase().includes(word) : null);
      });
      return field;
    }
    const boxes = values.map((value) => make("input", { type: "checkbox", checked: true, value: value ?? "" }));
    const set = () => {
      const kept = new Set(values.filter((_, i) => boxes[i].checked));
      this.test(column.name, kept.size === values.length ? null : (row) => kept.has(column.at(row)));
    };
    boxes.forEach((box) => box.addEventListener("change", set));
    return make("span", { class: "choices" }, ...values.map((v, i) => make("label", { class: "tick" }, boxes[i], v ?? "none")));
  }

  test(name, test) {
    if (test) this.tests.set(name, test);
    else this.tests.delete(name);
    this.changed();
  }

  rows() {
    const tests = [...this.tests.values()];
    return tests.length ? this.all.filter((row) => tests.every((test) => test(row))) : this.all;
  }
}
