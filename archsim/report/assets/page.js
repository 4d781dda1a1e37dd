// What every page does: search in the parameters, and open what was linked to or is printed.

function searchParameters() {
  const field = document.getElementById("parameter");
  if (!field) return;
  const rows = [...document.querySelectorAll("table.parameters tbody tr")];
  const differing = document.getElementById("differing");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const marked = rows.map((row) => row.querySelector("em") !== null);
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      const fits = words.every((word) => texts[i].includes(word)) && (!differing?.checked || marked[i]);
      row.hidden = !fits;
      shown += fits;
    });
    document.getElementById("parameter-count").textContent = `${shown} of ${rows.length}`;
  };
  field.addEventListener("input", show);
  differing?.addEventListener("change", show);
  show();
}

/** Make an element: attributes, then texts or elements inside. Texts never become HTML. */
function make(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
}

searchParameters();
