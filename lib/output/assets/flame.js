// The start: read, build, draw; or say in the page why not.

function showFault(error) {
  const known = error instanceof DataError;
  byId('loading').hidden = true;
  byId('app').hidden = true;
  const fault = byId('fault');
  fault.textContent = known
    ? `This flame graph cannot be shown.\n\n${visible(error.message)}`
    : `This flame graph cannot be shown, by a fault of the page itself.\n\n${visible(String(error))}`;
  fault.hidden = false;
}

async function start(times) {
  let mark = performance.now();
  const lap = (name) => {
    const now = performance.now();
    times[name] = now - mark;
    mark = now;
  };
  const doc = readDocument();
  lap('json');
  const base = await loadTree(doc);
  lap('decode');
  const viewer = new Viewer(doc, base);
  connect(viewer);
  lap('prepare');
  Object.defineProperties(
    window.profcore,
    Object.getOwnPropertyDescriptors(makeHook(viewer, times)),
  );
  viewer.start();
  if (doc.icicle) viewer.toggleIcicle();
  lap('start');
  times.firstDraw = performance.now();
  await new Promise((done) => {
    requestAnimationFrame(() => setTimeout(done, 0));
  });
  times.firstPaint = performance.now();
  return { ok: true };
}

const startTimes = {};
window.profcore = {};
window.profcore.ready = start(startTimes).catch((error) => {
  showFault(error);
  return { ok: false, error: error.message };
});
