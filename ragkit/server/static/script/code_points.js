// Offsets are code points; JavaScript counts UTF-16. Where the two are the same, a text is kept as it is.

export class Points {
  constructor(text) {
    this.text = text;
    this.points = /[\ud800-\udfff]/.test(text) ? Array.from(text) : null;
    this.length = this.points ? this.points.length : text.length;
  }

  cut(start, end) {
    return this.points ? this.points.slice(start, end).join("") : this.text.slice(start, end);
  }

  /** Where a text occurs, ignoring case, as pairs of code points; at most `most`. */
  find(wanted, most = 2000) {
    const plain = (one) => { const low = one.toLowerCase(); return low.length === one.length ? low : one; };
    const here = (this.points ?? Array.from(this.text)).map(plain).join("");
    const needle = Array.from(wanted).map(plain).join("");
    const found = [];
    if (!needle.trim()) return found;
    let before = 0;
    let points = 0;
    for (let at = here.indexOf(needle); at >= 0 && found.length < most; at = here.indexOf(needle, at + needle.length)) {
      points += this.points ? Array.from(here.slice(before, at)).length : at - before;
      before = at;
      found.push([points, points + (this.points ? Array.from(needle).length : needle.length)]);
    }
    return found;
  }
}
