/**
 * <pw-combobox> around a <select>: type to narrow, arrows to choose. With `src` the options come from the server
 * (a JSON list of {value, label, note}) as the person types. Without script the select works by itself.
 */
import Combobox from '@github/combobox-nav';
import { freshId } from '../lib/dom';
import { text } from '../lib/text';

interface Choice {
  value: string;
  label: string;
  note?: string;
}

const SHOWN = 50;
const DEBOUNCE = 180;

class ComboboxElement extends HTMLElement {
  #select!: HTMLSelectElement;
  #input!: HTMLInputElement;
  #list!: HTMLElement;
  #chosen!: HTMLElement;
  #nav!: Combobox;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  connectedCallback(): void {
    const select = this.querySelector('select');
    if (!select || this.#select) return;
    this.#select = select;
    this.classList.add('combobox');
    this.#build();
    select.hidden = true;
    this.#showChosen();
  }

  #build(): void {
    const select = this.#select;
    const listId = freshId('combobox-list');
    this.#chosen = document.createElement('div');
    this.#chosen.className = 'combobox-chosen';
    this.#input = document.createElement('input');
    Object.assign(this.#input, { type: 'text', className: 'input', autocomplete: 'off' });
    this.#input.placeholder = this.getAttribute('placeholder') ?? '';
    const label = select.id ? document.querySelector<HTMLLabelElement>(`label[for="${CSS.escape(select.id)}"]`) : null;
    this.#input.id = freshId('combobox');
    if (label) label.htmlFor = this.#input.id;
    else if (select.getAttribute('aria-label'))
      this.#input.setAttribute('aria-label', select.getAttribute('aria-label') ?? '');
    for (const name of ['aria-describedby', 'aria-invalid', 'aria-required']) {
      const value = select.getAttribute(name);
      if (value) this.#input.setAttribute(name, value);
    }
    this.#input.disabled = select.disabled;
    this.#list = document.createElement('div');
    Object.assign(this.#list, { id: listId, className: 'combobox-list', hidden: true });
    this.#list.setAttribute('role', 'listbox');
    this.#list.setAttribute('aria-label', label?.textContent?.trim() ?? select.getAttribute('aria-label') ?? '');
    this.#input.setAttribute('role', 'combobox');
    this.#input.setAttribute('aria-expanded', 'false');
    this.#input.setAttribute('aria-controls', listId);
    this.append(this.#chosen, this.#input, this.#list);
    this.#nav = new Combobox(this.#input, this.#list, { firstOptionSelectionMode: 'active' });
    this.#input.addEventListener('focus', () => this.#open());
    this.#input.addEventListener('click', () => this.#open());
    this.#input.addEventListener('input', () => this.#open());
    this.#input.addEventListener('blur', () => setTimeout(() => this.#close(), 120));
    this.#input.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !this.#list.hidden) {
        event.stopPropagation();
        this.#close();
      }
      if (event.key === 'Backspace' && !this.#input.value && select.multiple) {
        const last = [...select.selectedOptions].at(-1);
        if (last) this.#drop(last.value);
      }
    });
    this.#list.addEventListener('mousedown', (event) => event.preventDefault());
    this.#list.addEventListener('combobox-commit', (event) => {
      const option = event.target as HTMLElement;
      this.#choose({ value: option.dataset['value'] ?? '', label: option.dataset['label'] ?? '' });
    });
  }

  #open(): void {
    clearTimeout(this.#timer);
    const typed = this.#select.multiple || this.#input.value !== this.#singleLabel() ? this.#input.value : '';
    this.#timer = setTimeout(() => void this.#fill(typed.trim()), this.hasAttribute('src') ? DEBOUNCE : 0);
  }

  async #fill(words: string): Promise<void> {
    this.#asked += 1;
    const turn = this.#asked;
    const choices = await this.#find(words);
    if (turn !== this.#asked || document.activeElement !== this.#input) return;
    const rows = choices.slice(0, SHOWN).map((choice) => this.#row(choice));
    if (rows.length === 0) {
      const none = document.createElement('div');
      none.className = 'combobox-none';
      none.textContent = text('nothingFound', 'Nothing found');
      rows.push(none);
    }
    this.#nav.stop();
    this.#list.replaceChildren(...rows);
    this.#list.hidden = false;
    this.#input.setAttribute('aria-expanded', 'true');
    this.#nav.start();
  }

  async #find(words: string): Promise<Choice[]> {
    const src = this.getAttribute('src');
    if (src) {
      const url = new URL(src, location.href);
      url.searchParams.set('q', words);
      const answer = await fetch(url, { headers: { Accept: 'application/json' } });
      return answer.ok ? ((await answer.json()) as { results: Choice[] }).results : [];
    }
    const wanted = words.toLocaleLowerCase();
    return [...this.#select.options]
      .filter((option) => option.value && option.text.toLocaleLowerCase().includes(wanted))
      .filter((option) => !(this.#select.multiple && option.selected))
      .map((option) => ({ value: option.value, label: option.text.trim(), note: option.dataset['note'] ?? '' }));
  }

  #row(choice: Choice): HTMLElement {
    const row = document.createElement('div');
    row.id = freshId('option');
    row.setAttribute('role', 'option');
    row.dataset['value'] = choice.value;
    row.dataset['label'] = choice.label;
    row.append(choice.label);
    if (choice.note) {
      const note = document.createElement('span');
      note.className = 'end';
      note.textContent = choice.note;
      row.append(note);
    }
    return row;
  }

  #choose({ value, label }: Choice): void {
    let option = [...this.#select.options].find((known) => known.value === value);
    if (!option) {
      option = new Option(label, value);
      this.#select.add(option);
    }
    option.selected = true;
    this.#input.value = '';
    this.#showChosen();
    this.#close();
    this.#select.dispatchEvent(new Event('change', { bubbles: true }));
  }

  #drop(value: string): void {
    for (const option of this.#select.options) if (option.value === value) option.selected = false;
    this.#showChosen();
    this.#select.dispatchEvent(new Event('change', { bubbles: true }));
  }

  #singleLabel(): string {
    const option = this.#select.selectedOptions[0];
    return option?.value ? option.text.trim() : '';
  }

  #showChosen(): void {
    if (!this.#select.multiple) {
      this.#input.value = this.#singleLabel();
      return;
    }
    this.#chosen.replaceChildren(
      ...[...this.#select.selectedOptions].map((option) => {
        const chip = document.createElement('button');
        chip.type = 'button';
        chip.className = 'chip on';
        chip.textContent = `${option.text.trim()} ×`;
        chip.setAttribute('aria-label', text('remove', 'Remove {name}').replace('{name}', option.text.trim()));
        chip.addEventListener('click', () => this.#drop(option.value));
        return chip;
      }),
    );
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#nav.stop();
    this.#list.hidden = true;
    this.#input.setAttribute('aria-expanded', 'false');
    if (!this.#select.multiple) {
      if (this.#input.value === '' && !this.#select.required && this.#select.querySelector('option[value=""]')) {
        if (this.#select.value !== '') {
          this.#select.value = '';
          this.#select.dispatchEvent(new Event('change', { bubbles: true }));
        }
      }
      this.#input.value = this.#singleLabel();
    }
  }
}

customElements.define('pw-combobox', ComboboxElement);
