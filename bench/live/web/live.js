'use strict';
// Two frames show the report by turns. A new version is loaded into the hidden one, which
// is shown when it is complete, at the place where the reader was. A browser that is
// slower than the run skips versions.
(() => {
  const find = (id) => document.getElementById(id);
  const frames = [...document.querySelectorAll('iframe')];
  const source = new EventSource('events');
  let front = 0; // the frame that is shown
  let state = null; // as the stream sent it last
  let shown = 0, loaded = 0, loading = 0; // versions of the report
  let paused = false, pressed = false, lost = false;

  // content is the frame's report, or null while there is none.
  function content(frame) {
    try {
      return frame.contentDocument?.querySelector('h1') ? frame.contentDocument : null;
    } catch {
      return null; // the browser's own page about an error
    }
  }

  // parts are the elements of a report that a reader opens or moves to, by a name that
  // stays the same in the next version.
  function parts(report, selector) {
    const named = new Map();
    for (const e of report.querySelectorAll(selector)) {
      const title = e.closest('section, article, figure')?.querySelector('h1, h2, h3')?.textContent ?? '';
      const base = `${title}/${e.id || (e.querySelector('summary') ?? e).textContent.slice(0, 80)}`;
      let name = base;
      for (let n = 2; named.has(name); n++) name = `${base}/${n}`;
      named.set(name, e);
    }
    return named;
  }

  // keepPlace shows the next version where the reader was in the last one.
  function keepPlace(last, next) {
    const open = parts(last, 'details');
    for (const [name, e] of parts(next, 'details')) {
      if (open.has(name)) e.open = open.get(name).open;
    }
    const controls = 'a, button, summary, [tabindex]';
    for (const [name, e] of last.hasFocus() ? parts(last, controls) : []) {
      if (e === last.activeElement) parts(next, controls).get(name)?.focus({ preventScroll: true });
    }
    next.defaultView.scrollTo({ left: last.defaultView.scrollX, top: last.defaultView.scrollY, behavior: 'instant' });
  }

  function show() {
    if (loaded <= shown || paused || pressed) return;
    const last = frames[front], next = frames[1 - front];
    const report = content(last);
    next.inert = false;
    next.classList.add('front');
    if (report) keepPlace(report, content(next));
    last.inert = true;
    last.classList.remove('front');
    front = 1 - front;
    shown = loaded;
    document.body.dataset.version = shown;
    if (state.ended && shown === state.version) document.body.dataset.ended = 'true';
    describe();
  }

  function load() {
    if (loading || state.version <= loaded || (paused || pressed) && !state.ended) return;
    loading = state.version;
    const frame = frames[1 - front];
    frame.onload = () => {
      frame.onload = null;
      const report = content(frame);
      const version = loading;
      loading = 0;
      if (!report) {
        if (source.readyState !== EventSource.CLOSED) setTimeout(load, 1000);
        return;
      }
      loaded = version;
      removeFileLinks(report);
      listen(report);
      show();
      if (state.ended && loaded === state.version) source.close();
      load();
    };
    frame.contentWindow.location.replace(`report?version=${loading}`);
  }

  // removeFileLinks leaves the names of links to files beside the saved page: this server does
  // not serve them.
  function removeFileLinks(report) {
    for (const link of report.querySelectorAll('a[href]')) {
      if (!link.getAttribute('href').startsWith('#')) link.removeAttribute('href');
    }
  }

  // listen stops the updates while the reader uses a chart.
  function listen(report) {
    report.addEventListener('pointerdown', () => { pressed = true; });
    for (const end of ['pointerup', 'pointercancel']) {
      report.addEventListener(end, () => {
        pressed = false;
        setTimeout(() => { show(); load(); }); // after the click
      });
    }
    report.addEventListener('click', (event) => {
      if (!event.target.closest('summary, a') && event.target.closest('svg, canvas, button')) pause(true);
    });
  }

  function pause(on) {
    if (paused === on) return;
    paused = on;
    find('pause').setAttribute('aria-pressed', String(on));
    describe();
    if (on || !state) return;
    show();
    load();
  }

  function notice() {
    if (!state?.ended) return lost ? 'Connection lost. Reconnecting.' : paused ? 'Updates are paused.' : '';
    if (shown === state.version) return 'Ended. This page is the final one.';
    if (loaded === state.version) return 'Ended. Updates are paused.';
    return lost ? 'Ended. The final page is in the directory of the result.' : 'Ended. Loading the final page.';
  }

  function describe() {
    find('progress').textContent = state?.text ?? 'connecting';
    if (find('notice').textContent !== notice()) find('notice').textContent = notice(); // which is read aloud
    document.title = `etcdbench: ${state?.text ?? ''}`;
    if (!state) return;
    find('runs').hidden = state.runs.length < 2;
    const list = find('runs').querySelector('ol');
    state.runs.forEach((run, i) => { // Links stay, as one may have the focus.
      const item = list.children[i] ?? list.appendChild(document.createElement('li'));
      if (item.firstChild?.tagName !== (run.report ? 'A' : 'SPAN')) {
        const link = document.createElement(run.report ? 'a' : 'span');
        link.textContent = run.name;
        if (run.report) {
          link.href = `runs/${i + 1}`;
          link.target = '_blank';
        }
        item.replaceChildren(link, '');
      }
      item.lastChild.textContent = ` ${run.state}`;
    });
  }

  find('pause').addEventListener('click', () => pause(!paused));
  source.onmessage = (event) => {
    state = JSON.parse(event.data);
    lost = false;
    describe();
    load();
  };
  source.onerror = () => {
    if (state?.ended) source.close();
    lost = true;
    describe();
  };
})();
