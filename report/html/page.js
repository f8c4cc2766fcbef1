'use strict';
// Charts are readable without this script. It shows the figures of the column
// under the pointer or, with the arrow keys, of any other; it hides and shows
// series; and it zooms all charts over time together.
(() => {
  const svgName = 'http:' + '//www.w3.org/2000/svg';
  const make = (name, parent, attributes) => {
    const e = document.createElementNS(svgName, name);
    for (const k in attributes) e.setAttribute(k, attributes[k]);
    parent.appendChild(e);
    return e;
  };
  const label = (s) => s >= 600 ? +(s / 60).toPrecision(4) + ' min' : +s.toPrecision(4) + ' s';

  const charts = [...document.querySelectorAll('svg.chart[tabindex]')].map((svg) => {
    const figure = svg.closest('figure');
    const at = (svg.closest('[data-at]')?.dataset.at || '').split(' ').filter(Boolean).map(Number);
    const whole = [Number(svg.dataset.from), Number(svg.dataset.to)];
    return {
      svg, at, whole, shown: whole, row: -1,
      plot: svg.querySelector('.plot'), ticks: svg.querySelector('g.x'), output: figure.querySelector('output'),
      head: [...figure.querySelectorAll('thead th')], rows: [...figure.querySelectorAll('tbody tr')],
      left: Number(svg.dataset.left), top: Number(svg.dataset.top), width: Number(svg.dataset.width), overTime: 'time' in svg.dataset,
      height: svg.viewBox.baseVal.height,
    };
  });

  // Places: a value of x, in units of the drawing and back.
  const placeOf = (c, x) => c.left + c.width * (x - c.shown[0]) / (c.shown[1] - c.shown[0]);
  const valueAt = (c, event) => {
    const box = c.svg.getBoundingClientRect();
    const place = (event.clientX - box.left) * c.svg.viewBox.baseVal.width / box.width;
    return c.shown[0] + (place - c.left) / c.width * (c.shown[1] - c.shown[0]);
  };

  function show(c, row) {
    if (!c.rows.length || !c.at.length) return;
    c.row = Math.min(Math.max(row, 0), c.rows.length - 1);
    const cells = [...c.rows[c.row].children];
    c.output.textContent = cells.map((cell, i) => cell.textContent === '' ? '' : i ? c.head[i].textContent + ' ' + cell.textContent : cell.textContent).filter(Boolean).join(' · ');
    c.cursor ??= make('line', c.svg, { class: 'cursor', y1: c.top, y2: c.height - 26 });
    const middle = c.overTime ? (c.at[c.row] + (c.at[c.row + 1] ?? c.whole[1])) / 2 : c.at[c.row];
    const x = Math.min(Math.max(placeOf(c, middle), c.left), c.left + c.width);
    c.cursor.setAttribute('x1', x);
    c.cursor.setAttribute('x2', x);
  }

  function rowAt(c, x) {
    if (!c.overTime) { // the nearest
      return c.at.reduce((best, v, i) => Math.abs(v - x) < Math.abs(c.at[best] - x) ? i : best, 0);
    }
    let row = c.at.findIndex((v) => v > x) - 1;
    return row === -2 ? c.at.length - 1 : Math.max(row, 0);
  }

  function zoom(from, to) {
    for (const c of charts) {
      if (!c.overTime) continue;
      c.shown = from === undefined ? c.whole : [Math.max(from, c.whole[0]), Math.min(to, c.whole[1])];
      if (c.shown[1] - c.shown[0] < 1e-3) c.shown = c.whole;
      const scale = c.width / (c.whole[1] - c.whole[0]);
      const height = c.plot.viewBox.baseVal.height;
      c.plot.setAttribute('viewBox', [(c.shown[0] - c.whole[0]) * scale, 0, (c.shown[1] - c.shown[0]) * scale, height].join(' '));
      drawTicks(c, height);
      c.svg.classList.toggle('zoomed', c.shown !== c.whole);
      for (const label of c.svg.querySelectorAll('.at')) {
        const at = Number(label.dataset.at);
        label.setAttribute('x', placeOf(c, at));
        label.classList.toggle('off', at < c.shown[0] || at > c.shown[1]);
      }
      if (c.row >= 0) show(c, c.row);
    }
  }

  function drawTicks(c, height) {
    c.ticks.replaceChildren();
    const span = c.shown[1] - c.shown[0];
    const most = c.svg.viewBox.baseVal.width / 110;
    let step = 10 ** Math.floor(Math.log10(span / most));
    step *= [1, 2, 5, 10].find((m) => span / (m * step) <= most) ?? 10;
    for (let v = Math.ceil(c.shown[0] / step) * step; v <= c.shown[1] * 1.0001; v += step) {
      const x = placeOf(c, v);
      make('path', c.ticks, { class: 'grid', d: `M${x} ${c.top}v${height}` });
      make('text', c.ticks, { class: 'tick', x, y: c.height - 8, 'text-anchor': 'middle' }).textContent = label(v);
    }
  }

  for (const c of charts) {
    let from = null, selection = null;
    c.svg.addEventListener('pointermove', (e) => {
      const x = valueAt(c, e);
      show(c, rowAt(c, x));
      if (from === null) return;
      const a = placeOf(c, Math.min(from, x)), b = placeOf(c, Math.max(from, x));
      selection ??= make('rect', c.svg, { class: 'selection', y: c.top, height: c.height - c.top - 26 });
      selection.setAttribute('x', a);
      selection.setAttribute('width', b - a);
    });
    c.svg.addEventListener('pointerdown', (e) => {
      if (!c.overTime || e.button !== 0) return;
      from = valueAt(c, e);
      c.svg.setPointerCapture(e.pointerId);
    });
    const release = (e) => {
      if (selection) {
        const to = valueAt(c, e);
        selection.remove();
        if (e.type === 'pointerup' && Math.abs(to - from) > (c.shown[1] - c.shown[0]) / 100) zoom(Math.min(from, to), Math.max(from, to));
      }
      from = selection = null;
    };
    c.svg.addEventListener('pointerup', release);
    c.svg.addEventListener('pointercancel', release);
    c.svg.addEventListener('dblclick', () => zoom());
    c.svg.addEventListener('keydown', (e) => {
      const middle = c.row >= 0 && c.at.length ? c.at[c.row] : (c.shown[0] + c.shown[1]) / 2;
      const span = (c.shown[1] - c.shown[0]) / 2;
      const keys = {
        ArrowLeft: () => show(c, c.row - 1), ArrowRight: () => show(c, c.row + 1),
        Home: () => show(c, 0), End: () => show(c, c.rows.length - 1),
        '+': () => zoom(middle - span / 2, middle + span / 2), '-': () => zoom(middle - span * 2, middle + span * 2), Escape: () => zoom(),
      };
      if (!keys[e.key] || e.ctrlKey || e.metaKey || e.altKey) return; // the browser's own keys
      e.preventDefault();
      keys[e.key]();
      c.cursor?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    });
    c.svg.setAttribute('aria-description', c.overTime ? 'Arrow keys show figures, + and - zoom, Escape shows all.' : 'Arrow keys show figures.');
  }

  for (const button of document.querySelectorAll('button[data-toggle]')) {
    button.addEventListener('click', () => {
      const on = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', on);
      for (const path of button.closest('.legend').querySelectorAll(`[data-series="${button.dataset.toggle}"]`)) path.classList.toggle('off', !on);
    });
  }

  // On paper, all parts are shown.
  addEventListener('beforeprint', () => { for (const part of document.querySelectorAll('details.part')) part.open = true; });
})();
