// The pages of a PDF: pictures, their text over them to be selected, and the boxes of what is cited.

import { call, documentPath, picture } from "./api.js";
import { h } from "./dom.js";
import { t } from "./texts.js";

const NEAR = 1; // pages that are drawn beyond those that are seen
const MARGIN = 24;
const measure = document.createElement("canvas").getContext("2d");

export function pdfPages(stage, found, points, { onPage, onFail }) {
  const address = `/api/documents/${documentPath(found.path)}/pages`;
  const pages = found.pages.map((page) => ({ ...page, state: "away", width: 595, height: 842, element: h("section", { class: "pdf-page", data: { page: page.number }, "aria-label": t("page", { page: page.number }) }) }));
  const list = h("div", { class: "pdf-pages" }, pages.map((page) => page.element));
  const ending = new AbortController();
  let scale = null;
  let zoomed = 1;
  let place = {};
  let ended = false;
  stage.replaceChildren(list);

  const fit = () => (stage.clientWidth - MARGIN) / Math.max(...pages.slice(0, 1).map((page) => page.width));
  const sized = (page) => {
    page.element.style.setProperty("--wide", `${page.width * scale}px`);
    page.element.style.setProperty("--high", `${page.height * scale}px`);
    page.element.style.setProperty("--scale", scale);
  };
  /** Size all pages; what is seen at the top stays there. */
  const layout = () => {
    const anchor = scale === null ? null : pages.findLast((page) => page.element.offsetTop <= stage.scrollTop + 20);
    const beyond = anchor ? (stage.scrollTop - anchor.element.offsetTop) / scale : 0;
    scale = Math.max(0.2, fit() * zoomed);
    pages.forEach(sized);
    if (anchor) stage.scrollTop = anchor.element.offsetTop + beyond * scale;
  };

  async function draw(page) {
    if (page.state !== "away") return page.drawn;
    page.state = "drawing";
    page.drawn = (async () => {
      try {
        const boxes = await call(`${address}/${page.number}/boxes`, { signal: ending.signal });
        if (boxes.width !== page.width || boxes.height !== page.height) {
          const first = !pages.some((one) => one.known);
          for (const one of pages) if (first || one === page) if (!one.known) Object.assign(one, { width: boxes.width, height: boxes.height });
          layout();
        }
        page.known = true;
        const sharp = Math.min(5, Math.max(0.5, scale * devicePixelRatio));
        const image = await picture(`${address}/${page.number}?scale=${sharp.toFixed(2)}`, ending.signal);
        if (ended) return URL.revokeObjectURL(image);
        page.image = image;
        page.sharp = sharp;
        page.element.replaceChildren(h("img", { src: image, alt: "", draggable: "false" }), textLayer(boxes.boxes, points), h("div", { class: "marks", "aria-hidden": "true" }));
        page.state = "drawn";
        await mark(page);
      } catch (error) {
        if (error.name === "AbortError" || ended) return;
        page.state = "failed";
        onFail(error);
      }
    })();
    return page.drawn;
  }

  function forget(page) {
    if (page.state !== "drawn") return;
    URL.revokeObjectURL(page.image);
    page.element.replaceChildren();
    page.state = "away";
  }

  const touches = (page) => place.start !== null && place.start !== undefined && place.start < page.end && page.start < place.end;

  async function mark(page) {
    const marks = page.element.querySelector(".marks");
    if (!marks) return;
    if (!touches(page)) return marks.replaceChildren();
    const own = place;
    const start = Math.max(place.start, page.start);
    const end = Math.min(place.end, page.end);
    const { boxes, found: share } = await call(`${address}/${page.number}/boxes?start=${start}&end=${end}`, { signal: ending.signal });
    if (own !== place) return;
    marks.replaceChildren(...boxes.map((box) => h("mark", { class: "hit", data: { text: points.cut(box.start, box.end) }, vars: { "--left": box.left, "--top": box.top, "--width": box.right - box.left, "--height": box.bottom - box.top } })));
    marks.dataset.found = share.toFixed(3);
  }

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const page = pages[Number(entry.target.dataset.page) - 1];
      page.seen = entry.isIntersecting;
      if (page.seen) draw(page);
    }
    const seen = pages.filter((page) => page.seen).map((page) => page.number);
    if (!seen.length) return;
    for (const page of pages) if (page.number < seen[0] - NEAR - 6 || page.number > seen.at(-1) + NEAR + 6) forget(page);
  }, { root: stage, rootMargin: "60% 0px" });
  const tell = () => {
    const middle = stage.scrollTop + stage.clientHeight / 3;
    const page = pages.findLast((one) => one.element.offsetTop <= middle) ?? pages[0];
    if (page) onPage(page.number);
  };
  stage.addEventListener("scroll", tell, { passive: true });
  const resized = new ResizeObserver(() => { if (!ended && stage.clientWidth) layout(); });
  resized.observe(stage);
  layout();
  pages.forEach((page) => observer.observe(page.element));

  const toPage = (number) => {
    const page = pages[number - 1];
    if (!page) return;
    stage.scrollTop = page.element.offsetTop - 12;
    onPage(number);
  };
  return {
    toPage,
    zoom: (factor) => {
      zoomed = Math.min(6, Math.max(0.4, zoomed * factor));
      layout();
      for (const one of pages) if (one.state === "drawn" && one.sharp < scale * devicePixelRatio * 0.8) { forget(one); if (one.seen) draw(one); }
    },
    moveTo: async (wanted) => {
      place = wanted;
      const target = pages.find(touches) ?? pages[(wanted.page ?? 0) - 1] ?? (wanted.start !== null ? pages.findLast((page) => page.start <= wanted.start) : null);
      for (const page of pages) if (page !== target && page.state === "drawn") mark(page).catch(() => {});
      if (!target) return toPage(1);
      toPage(target.number);
      await draw(target);
      toPage(target.number);
      if (target.state !== "drawn") return;
      await mark(target).catch(() => {});
      const hit = target.element.querySelector(".hit");
      if (hit) {
        const top = target.element.offsetTop + hit.offsetTop;
        if (top < stage.scrollTop + 60 || top > stage.scrollTop + stage.clientHeight * 0.6) stage.scrollTop = top - stage.clientHeight / 3;
        const left = hit.offsetLeft;
        if (left > stage.scrollLeft + stage.clientWidth) stage.scrollLeft = left - 40;
      }
      tell();
    },
    end: () => {
      ended = true;
      ending.abort();
      observer.disconnect();
      resized.disconnect();
      stage.removeEventListener("scroll", tell);
      pages.forEach(forget);
    },
  };
}

/** The text of a page, invisible above its picture, where it stands: to be selected and read aloud. */
function textLayer(boxes, points) {
  const layer = h("div", { class: "text-layer" });
  for (const box of boxes) {
    const text = points.cut(box.start, box.end);
    const high = box.down ? box.right - box.left : box.bottom - box.top;
    const wide = box.down ? box.bottom - box.top : box.right - box.left;
    measure.font = `${high * 0.8}px sans-serif`;
    const own = measure.measureText(text).width || 1;
    layer.append(h("span", { class: box.down ? "down" : null, vars: { "--left": box.left, "--top": box.top, "--size": high * 0.8, "--stretch": (wide / own).toFixed(4), "--height": high } }, text), " ");
  }
  return layer;
}
