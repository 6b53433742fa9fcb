"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("threshold-data").textContent);
  const slider = at("threshold");
  const inputs = [at("cost-miss"), at("cost-alarm")];
  const cursors = [at("threshold-cursor-0"), at("threshold-cursor-1")];
  const curve = at("threshold-cost").querySelector("path");
  const ceiling = at("threshold-ceiling").querySelector("text") || at("threshold-ceiling");
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

  function show() {
    const i = Number(slider.value);
    const tp = data.tp[i], fp = data.fp[i];
    const precision = share(tp / (tp + fp)), recall = share(tp / data.rare);
    at("threshold-value").textContent = data.shown[i];
    at("at-precision").textContent = precision;
    at("at-recall").textContent = recall;
    at("at-f1").textContent = share((2 * tp) / (tp + fp + data.rare));
    at("at-alarms").textContent = amount((1000 * (tp + fp)) / total);
    at("at-missed").textContent = amount((1000 * (data.rare - tp)) / total);
    at("at-cost").textContent = amount(costs[i]);
    slider.setAttribute(
      "aria-valuetext",
      `${data.shown[i]}: precision ${precision}, recall ${recall}`
    );
    for (const cursor of cursors) {
      cursor.setAttribute("transform", `translate(${data.x[i] - start} 0)`);
    }
  }

  function leastCost() {
    let least = 0;
    costs.forEach((cost, i) => { if (cost < costs[least]) least = i; });
    return least;
  }

  function price() {
    const [miss, alarm] = inputs.map((input) =>
      input.value !== "" && input.validity.valid ? Number(input.value) : NaN
    );
    costs = data.tp.map(
      (tp, i) => (1000 * (miss * (data.rare - tp) + alarm * data.fp[i])) / total
    );
    const known = costs.every(Number.isFinite);
    at("least").disabled = !known;
    at("least").textContent = `Least cost: ${known ? data.shown[leastCost()] : "–"}`;
    if (known) draw((1000 / total) * Math.min(miss * data.rare, alarm * data.other));
    show();
  }

  function draw(trivial) {
    const least = Math.min(...costs), most = Math.max(...costs);
    const top = 1.2 * Math.max(trivial, least) || 1.2 * most || 1;
    const [zero, full] = data.y;
    // Far above the panel a path may end, for it is cut off there.
    const points = costs.map((cost, i) => {
      const y = zero + (full - zero) * Math.min(cost / top, 3);
      return `${data.x[i]} ${y.toFixed(2)}`;
    });
    curve.setAttribute("d", `M ${points.join(" L ")}`);
    ceiling.textContent = amount(top);
  }

  slider.addEventListener("input", show);
  inputs.forEach((input) => input.addEventListener("input", price));
  document.querySelectorAll("button[data-at]").forEach((button) =>
    button.addEventListener("click", () => { slider.value = button.dataset.at; show(); })
  );
  at("least").addEventListener("click", () => { slider.value = leastCost(); show(); });
  at("threshold-controls").hidden = false;
  document.documentElement.classList.add("live");
  price();
})();
