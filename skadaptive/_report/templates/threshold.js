"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("threshold-data").textContent);
  const slider = byId("threshold");
  const inputs = [byId("cost-miss"), byId("cost-alarm")];
  const cursors = [byId("threshold-cursor-0"), byId("threshold-cursor-1")];
  const curve = byId("threshold-cost").querySelector("path");
  const ceiling = byId("threshold-ceiling").querySelector("text") || byId("threshold-ceiling");
  const start = data.x[Number(slider.value)];
  const total = data.rare + data.other;
  let costs = [];

  const share = (value) => (Number.isFinite(value) ? value.toFixed(3) : "–");
  const amount = (value) => {
    if (!Number.isFinite(value)) return "–";
    const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    return Number(value.toFixed(digits)).toLocaleString("en-US", {
      minimumFractionDigits: digits,
    });
  };

  // Puts a text into each element that has this attribute, such as data-cost-of="all".
  function fill(attribute, name, text) {
    for (const element of document.querySelectorAll(`[data-${attribute}="${name}"]`)) {
      element.textContent = text;
    }
  }

  function textsAt(i) {
    const tp = data.tp[i], fp = data.fp[i];
    return {
      precision: share(tp / (tp + fp)),
      recall: share(tp / data.rare),
      f1: share((2 * tp) / (tp + fp + data.rare)),
      alarms: amount((1000 * (tp + fp)) / total),
      missed: amount((1000 * (data.rare - tp)) / total),
      cost: amount(costs[i]),
    };
  }

  function showThreshold() {
    const i = Number(slider.value), texts = textsAt(i);
    byId("threshold-value").textContent = data.shown[i];
    byId("apply-threshold").textContent = data.shown[i];
    byId("copied").textContent = "";
    for (const [name, text] of Object.entries(texts)) byId(`at-${name}`).textContent = text;
    slider.setAttribute(
      "aria-valuetext",
      `${data.shown[i]}: precision ${texts.precision}, recall ${texts.recall}`
    );
    for (const cursor of cursors) {
      cursor.setAttribute("transform", `translate(${data.x[i] - start} 0)`);
    }
  }

  // An optimal threshold is the one that predict --costs takes.
  function leastCostIndex() {
    const cheapest = (places) => places.reduce((least, i) => (costs[i] < costs[least] ? i : least));
    const least = cheapest([...costs.keys()]);
    const best = data.optimal.length ? cheapest(data.optimal) : least;
    return costs[best] <= costs[least] ? best : least;
  }

  function updateCosts() {
    const given = inputs.map((input) =>
      input.value !== "" && input.validity.valid ? Number(input.value) : NaN
    );
    const [miss, alarm] = given;
    costs = data.tp.map(
      (tp, i) => (1000 * (miss * (data.rare - tp) + alarm * data.fp[i])) / total
    );
    const known = costs.every(Number.isFinite);
    byId("least").disabled = !known;
    ["miss", "alarm"].forEach((name, i) =>
      fill("given", name, Number.isFinite(given[i]) ? String(given[i]) : "–")
    );
    const ofAll = (1000 * alarm * data.other) / total, ofNone = (1000 * miss * data.rare) / total;
    fill("cost-of", "all", amount(ofAll));
    fill("cost-of", "none", amount(ofNone));
    for (const cell of document.querySelectorAll("[data-cost]")) {
      cell.textContent = amount(costs[Number(cell.dataset.cost)]);
    }
    showLeast(known, ofAll, ofNone);
    if (known) drawCosts(Math.min(ofAll, ofNone));
    showThreshold();
  }

  function showLeast(known, ofAll, ofNone) {
    const i = known ? leastCostIndex() : 0;
    const texts = { threshold: data.shown[i], ...textsAt(i) };
    for (const [name, text] of Object.entries(texts)) fill("least", name, known ? text : "–");
    const helps = costs[i] < Math.min(ofAll, ofNone) * (1 - 1e-12);
    byId("least-helps").hidden = !known || !helps;
    byId("least-useless").hidden = !known || helps;
    byId("cheaper").textContent = ofAll < ofNone ? "all rows" : "no row";
  }

  // The cost of predicting all rows alike, whichever is cheaper, sets the scale.
  function drawCosts(trivial) {
    const least = Math.min(...costs), most = Math.max(...costs);
    const top = 1.2 * Math.max(trivial, least) || 1.2 * most || 1;
    const [zero, full] = data.y;
    // The panel clips the path, so that greater values need not be exact.
    const points = costs.map((cost, i) => {
      const y = zero + (full - zero) * Math.min(cost / top, 3);
      return `${data.x[i]} ${y.toFixed(2)}`;
    });
    curve.setAttribute("d", `M ${points.join(" L ")}`);
    ceiling.textContent = amount(top);
  }

  // Where a page may not write to the clipboard, the text is selected for the reader.
  async function copyApplication() {
    const code = byId("apply");
    let told = "Copied";
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      told = "Selected: copy it with the keyboard";
    }
    byId("copied").textContent = told;
  }

  slider.addEventListener("input", showThreshold);
  byId("copy").addEventListener("click", copyApplication);
  inputs.forEach((input) => input.addEventListener("input", updateCosts));
  document.querySelectorAll("button[data-at]").forEach((button) =>
    button.addEventListener("click", () => { slider.value = button.dataset.at; showThreshold(); })
  );
  byId("least").addEventListener("click", () => { slider.value = leastCostIndex(); showThreshold(); });
  byId("threshold-controls").hidden = false;
  document.documentElement.classList.add("live");
  updateCosts();
})();
