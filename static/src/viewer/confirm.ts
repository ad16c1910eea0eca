import { h } from './dom';
import { t } from './text';

/** Ask before an act; resolves to whether it is wanted. */
export function confirmed(question: string): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = h(
      'dialog',
      { class: 'v-dialog', 'aria-label': question },
      h('p', {}, question),
      h(
        'div',
        { class: 'v-dialog-actions' },
        h('button', { type: 'button', class: 'v-button is-primary', onclick: () => dialog.close('yes') }, t('Go on')),
        h('button', { type: 'button', class: 'v-button', autofocus: true, onclick: () => dialog.close() }, t('Cancel')),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
