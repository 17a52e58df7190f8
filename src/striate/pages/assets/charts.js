// Draws every chart of the page, and draws it anew when the reader changes between light and dark, or prints.
(() => {
  const themes = JSON.parse(document.getElementById("chart-themes").textContent);
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const plots = [];
  const theme = () => (dark.matches ? themes.dark : themes.light);
  const draw = (plot) => {
    const figure = JSON.parse(plot.nextElementSibling.textContent);
    figure.layout.template = theme();
    Plotly.newPlot(plot, figure.data, figure.layout, config);
    plots.push(plot);
  };
  const repaint = (template) => plots.forEach((plot) => Plotly.relayout(plot, { template }));
  // A chart inside a closed <details> has no width yet; it is drawn when it is opened.
  document.querySelectorAll("figure.chart .plot").forEach((plot) => {
    const closed = plot.closest("details:not([open])");
    if (closed) closed.addEventListener("toggle", () => draw(plot), { once: true });
    else draw(plot);
  });
  dark.addEventListener("change", () => repaint(theme()));
  window.addEventListener("beforeprint", () => repaint(themes.light));
  window.addEventListener("afterprint", () => repaint(theme()));
})();
