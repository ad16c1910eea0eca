/**
 * Words of the viewer. English stands in the code and is the key of the page's translations
 * (`viewer/texts.py`, sent as JSON with the page).
 */
let table: Record<string, string> = {};

export function loadTexts(): void {
  const node = document.getElementById('viewer-texts');
  if (node?.textContent) table = JSON.parse(node.textContent) as Record<string, string>;
}

/** The translation of an English sentence; `{name}` is replaced from `values`. */
export function t(english: string, values: Record<string, string | number> = {}): string {
  const found = table[english] || english;
  return found.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

const cache = new Map<number, Intl.NumberFormat>();

/** A number with at most `digits` decimals in the page's language. */
export function number(value: number, digits = 1): string {
  let format = cache.get(digits);
  if (!format) {
    format = new Intl.NumberFormat(document.documentElement.lang || 'en', {
      maximumFractionDigits: digits,
      useGrouping: false,
    });
    cache.set(digits, format);
  }
  return format.format(Object.is(value, -0) ? 0 : value);
}
