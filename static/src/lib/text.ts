/** Sentences that scripts show; the page carries them translated, in <script id="pw-text" type="application/json">. */
let sentences: Record<string, string> | undefined;

export function text(key: string, fallback: string): string {
  if (sentences === undefined) {
    const source = document.getElementById('pw-text')?.textContent;
    sentences = source ? (JSON.parse(source) as Record<string, string>) : {};
  }
  return sentences[key] ?? fallback;
}
