// What is looked at shows in all views of the page at once. Python hears of it from the view in which it was chosen.

const LOOK = "titanscope-look";
const PATIENCE = 3000; // ms after which Python's word counts though it has not heard of the newest choice

// changes: some of signal, layer, token, range, span.
function shareLook(view, changes) {
  view.lookAt = Date.now();
  document.dispatchEvent(new CustomEvent(LOOK, { detail: { view, changes } }));
}

function hearLook(view, act) {
  const heard = ({ detail }) => {
    if (!view.root.isConnected) document.removeEventListener(LOOK, heard);
    else if (detail.view !== view) {
      view.lookAt = detail.view.lookAt;
      act(detail.changes);
    }
  };
  document.addEventListener(LOOK, heard);
}

// Whether Python knows of the newest choice made here; until then what it says would lead back to an older one.
function isCurrent({ lookAt = 0 }, { at }) {
  return at >= lookAt || Date.now() - lookAt > PATIENCE;
}
