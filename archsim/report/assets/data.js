// The points of a study: unpacked from the page, column by column.

async function unpacked(id) {
  const element = document.getElementById(id);
  const letters = atob(element.textContent);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  element.remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** Columns by name. Each has `at(row)`: a number, a text or null. */
function columnsOf(document_) {
  const columns = new Map();
  for (const column of document_.columns) {
    if (column.kind === "choice") {
      const { codes, texts } = column;
      column.at = (row) => (codes[row] < 0 ? null : texts[codes[row]]);
    } else {
      const { values } = column;
      column.at = (row) => values[row];
      const there = values.filter((value) => value !== null);
      column.least = there.reduce((a, b) => Math.min(a, b), Infinity);
      column.most = there.reduce((a, b) => Math.max(a, b), -Infinity);
    }
    columns.set(column.name, column);
  }
  return columns;
}

const WHOLE = new Intl.NumberFormat("en-US");
const SIX_DIGITS = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6 });
const count = (number) => WHOLE.format(number);

function shownValue(column, value) {
  if (value === null) return "–";
  if (column.kind === "choice") return value;
  if (Number.isInteger(value)) return WHOLE.format(value);
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e9 ? SIX_DIGITS.format(value) : value.toPrecision(6);
}

/** A text of a column on an axis of the plot: as a tick would say it. */
function tickOf(column, value) {
  const place = column.ticks ? column.ticks.indexOf(value) : -1;
  return place < 0 ? shownValue(column, value) : column.texts[place];
}

/** Distinct values, those of texts in order of appearance, numbers ascending; null last. */
function distinct(column, rows) {
  const found = [...new Set(rows.map((row) => column.at(row)))];
  const texts = column.kind === "choice" ? new Map(column.texts.map((text, i) => [text, i])) : null;
  const key = (value) => (value === null ? Infinity : texts ? texts.get(value) : value);
  return found.sort((a, b) => (key(a) === key(b) ? 0 : key(a) - key(b)));
}

/** A list of columns to choose from, by group. */
function columnSelect(columns, fits, first, attributes) {
  const groups = { axis: "Axes", metric: "Metrics", configuration: "Configuration", provenance: "Origin" };
  const select = make("select", attributes);
  for (const [group, words] of Object.entries(groups)) {
    const names = [...columns.values()].filter((column) => column.group === group && fits(column));
    if (names.length) {
      const options = names.map((c) => make("option", { value: c.name, title: c.about, selected: c.name === first }, c.name));
      select.append(make("optgroup", { label: words }, ...options));
    }
  }
  return select;
}

function csvOf(columns, rows) {
  const quoted = (value) => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map((column) => quoted(column.name)).join(",")];
  for (const row of rows) lines.push(columns.map((column) => quoted(column.at(row))).join(","));
  return `${lines.join("\n")}\n`;
}
