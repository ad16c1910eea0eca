/** The image viewer's page: small until the drawing library is here. */
import '../viewer/styles/index.css';
import type { Manifest } from '../viewer/contract';
import { loadTexts, t } from '../viewer/text';

async function begin(root: HTMLElement): Promise<void> {
  loadTexts();
  const inline = document.getElementById('viewer-manifest')?.textContent;
  // The library (over a megabyte) and the manifest travel side by side.
  const [{ App }, manifest] = await Promise.all([
    import('../viewer/app'),
    inline
      ? Promise.resolve(JSON.parse(inline) as Manifest)
      : fetch(root.dataset['manifestUrl'] ?? '', { headers: { Accept: 'application/json' } }).then(
          (response) => response.json() as Promise<Manifest>,
        ),
  ]);
  await new App(root, manifest).run();
}

const root = document.getElementById('viewer');
// A long album is opened where its study stands.
document.querySelector('.album-strip [aria-current]')?.scrollIntoView({ block: 'nearest' });
if (root) {
  begin(root).catch((error: unknown) => {
    console.error(error);
    const notice = root.querySelector<HTMLElement>('[data-part="notice"]');
    if (!notice) return;
    notice.hidden = false;
    notice.textContent = t('The viewer could not start: {message}', {
      message: error instanceof Error ? error.message : String(error),
    });
  });
}
