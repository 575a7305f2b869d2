// Each chart is drawn from the table beside it: the numbers are there once.
(() => {
  const draw = (place) => {
    const table = document.getElementById(place.dataset.chart);
    const cells = (row) => [...row.cells].map((cell) => cell.textContent.trim());
    // Which columns are drawn: all but the first, or those that are named.
    const columns = place.dataset.columns?.split(",").map(Number);
    const some = (row) => (columns ? [row[0], ...columns.map((each) => row[each])] : row);
    const [, ...names] = some(cells(table.tHead.rows[0]));
    const rows = [...table.tBodies[0].rows].map((row) => some(cells(row)));
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--tblr-body-color") || "#444";
    // Red is for what is lost; where nothing is, another stands in its place.
    const third = place.dataset.lost === "no" ? "orange" : "red";
    const colors = ["blue", "green", third, "purple"].map((each) => style.getPropertyValue(`--tblr-${each}`).trim());
    const axis = { color: text }, rule = { lineStyle: { color: style.getPropertyValue("--tblr-border-color").trim() || "#ccc" } };
    const whole = place.dataset.labels === "whole";
    const number = (cell) => parseFloat(cell.replace(/,/g, ""));
    place.dataset.drawn = "yes";
    // Names that need more than one line below the chart push it up.
    const lines = Math.ceil(names.reduce((width, name) => width + 48 + 13 * name.length, 0) / place.clientWidth);
    const chart = window.echarts.init(place, null, { renderer: "svg" });
    chart.setOption({
      animation: false,
      color: colors,
      textStyle: { color: text },
      // Its usual tooltip is made of inline styles, which the page's policy refuses.
      tooltip: { trigger: "axis", renderMode: "richText" },
      legend: { textStyle: { color: text }, bottom: 0 },
      grid: { left: 8, right: 8, top: 16, bottom: 16 + 20 * lines, containLabel: true },
      xAxis: { type: "category", data: rows.map((row) => (whole ? row[0] : row[0].slice(5))), axisLabel: { ...axis, formatter: (words) => [...words].slice(0, 12).join("") } },
      yAxis: { type: "value", minInterval: 1, axisLabel: axis, splitLine: rule },
      series: names.map((name, index) => ({ name, type: index === names.length - 1 && !whole ? "line" : "bar", barMaxWidth: 48, data: rows.map((row) => number(row[index + 1])) })),
    });
    new ResizeObserver(() => chart.resize()).observe(place);
  };
  const all = () => {
    if (window.echarts) for (const place of document.querySelectorAll("[data-chart]:not([data-drawn])")) draw(place);
  };
  all();
  // What a page fetches later may have charts, too.
  document.addEventListener("htmx:afterSettle", all);
})();
