/** The list of marks beside the image: every mark by slice, its words and values, its form, layers and save state. */

import { linesOf, quantity } from './adapter';
import type { Manifest, Mark, MarkField } from './contract';
import { h } from './dom';
import { icon } from './icons';
import { colourOf, type LayerState, type Marks } from './marks';
import type { Saving } from './saving';
import { number, t } from './text';
import type { Workspace } from './workspace';

const NAMES: Record<string, () => string> = {
  length: () => t('Length'),
  ellipse: () => t('Ellipse'),
  rectangle: () => t('Rectangle'),
  freehand: () => t('Outline'),
  probe: () => t('Value'),
  arrow: () => t('Arrow'),
  angle: () => t('Angle'),
  bidirectional: () => t('Two axes'),
};
const ROLES: Record<string, () => string> = {
  own: () => t('My marks'),
  truth: () => t('Truth'),
  other: () => t('Others'),
};

export class MarkList {
  private editing: string | null = null;
  private root: HTMLElement;
  private pressed = false;
  private stale = false;
  onResolve: (keep: 'mine' | 'theirs') => void = () => {};
  onReveal: () => void = () => {};

  constructor(
    private readonly holder: () => HTMLElement,
    private readonly workspace: Workspace,
    private readonly marks: Marks,
    private readonly saving: Saving,
  ) {
    this.root = holder();
    // A click is a press and a release on the same element: between the two nothing is drawn anew.
    window.addEventListener('pointerdown', (event) => this.press(event), { capture: true });
    for (const end of ['pointerup', 'pointercancel'])
      window.addEventListener(end, () => window.setTimeout(() => this.release()), { capture: true });
  }

  private press(event: PointerEvent): void {
    this.pressed = event.target instanceof Node && this.root.contains(event.target);
  }

  private release(): void {
    this.pressed = false;
    if (this.stale) this.draw();
  }

  private get manifest(): Manifest {
    return this.workspace.manifest;
  }

  private get fields(): MarkField[] {
    const { fields } = this.manifest.mark_form;
    if (fields.length) return fields;
    const label = { name: 'label', label: t('Label'), kind: 'text', required: false, help: '', choices: [] };
    return [{ ...label, minimum: null, maximum: null } as MarkField];
  }

  /** Open the form of a mark and put the cursor into it. */
  edit(id: string, focus: boolean): void {
    this.editing = id;
    this.draw();
    if (!focus) return;
    this.onReveal();
    const row = this.root.querySelector<HTMLElement>(`[data-mark="${id}"]`);
    const form = row?.querySelector('.mark-form');
    (form?.querySelector<HTMLElement>('input:checked') ?? form?.querySelector<HTMLElement>('input, select'))?.focus();
    row?.scrollIntoView({ block: 'nearest' });
  }

  draw(): void {
    this.stale = this.pressed;
    if (this.pressed) {
      this.drawState();
      return;
    }
    // The panel may have been replaced by the server, and the list's place in it.
    const root = this.holder();
    if (root !== this.root) this.root.replaceChildren();
    this.root = root;
    const held = document.activeElement;
    // A form that is being filled in stays as it is: drawing it anew would take the cursor away.
    if (held instanceof HTMLInputElement && this.isEditing(held)) {
      this.drawState();
      return;
    }
    const back = this.heldControl(held);
    const layers = this.marks.layers;
    const many = layers.length > 1;
    this.root.replaceChildren(h('div', { class: 'marks-state', role: 'status' }));
    this.drawState();
    for (const layer of layers) {
      if (many || !layer.visible) this.root.append(this.layerHead(layer));
      if (layer.visible) this.root.append(this.layerList(layer));
    }
    if (!layers.some((layer) => layer.marks.size)) {
      const words = this.marks.editable
        ? t('No marks yet. Choose a tool and draw on the image.')
        : t('There are no marks.');
      this.root.append(h('p', { class: 'marks-empty' }, words));
    }
    back?.();
  }

  /** The list is drawn anew under the focus: afterwards the same control of the same mark has it again. */
  private heldControl(held: Element | null): (() => void) | null {
    const row = held?.closest<HTMLElement>('[data-mark]');
    if (!row || !this.root.contains(row)) return null;
    const controls = 'button, input, select';
    const at = [...row.querySelectorAll(controls)].indexOf(held as Element);
    const id = row.dataset['mark'] ?? '';
    return () => this.root.querySelector(`[data-mark="${id}"]`)?.querySelectorAll<HTMLElement>(controls)[at]?.focus();
  }

  private isEditing(field: HTMLInputElement): boolean {
    const id = field.closest<HTMLElement>('[data-mark]')?.dataset['mark'];
    return id !== undefined && id === this.editing && Boolean(this.marks.layerOf(id)?.editable);
  }

  private layerHead(layer: LayerState): HTMLElement {
    const words = layerName(layer);
    return h(
      'div',
      { class: 'marks-layer' },
      h('span', { class: 'swatch', 'data-role': layer.role }),
      h('span', { class: 'marks-layer-name' }, words, h('span', { class: 'count' }, ` ${layer.marks.size}`)),
      h(
        'button',
        {
          type: 'button',
          class: 'v-icon-button',
          'aria-pressed': String(layer.visible),
          'aria-label': t('Show {layer}', { layer: words }),
          title: layer.visible ? t('Hide') : t('Show'),
          onclick: () => this.marks.show(layer.name, !layer.visible),
        },
        icon(layer.visible ? 'eye' : 'eye-off', 15) as HTMLElement,
      ),
    );
  }

  private layerList(layer: LayerState): HTMLElement {
    const list = h('ul', { class: 'marks-list', 'aria-label': layer.label });
    for (const mark of layer.marks.values()) list.append(this.row(layer, mark));
    return list;
  }

  private row(layer: LayerState, mark: Mark): HTMLElement {
    const name = mark.label || (NAMES[mark.tool] as () => string)();
    const lines = linesOf(mark.tool, mark.measurements, '', mark.verdict, layer.role);
    const selected = this.marks.selected === mark.id;
    const missing = this.missing(mark);
    const row = h(
      'li',
      { class: `mark${selected ? ' is-selected' : ''}`, 'data-mark': mark.id },
      h(
        'button',
        {
          type: 'button',
          class: 'mark-main',
          'aria-pressed': String(selected),
          onclick: (event: MouseEvent) => this.choose(mark, event.detail > 0),
        },
        tint(icon(mark.tool, 15), colourOf(layer)),
        h(
          'span',
          { class: 'mark-words' },
          h('span', { class: 'mark-name' }, name),
          h('span', { class: 'mark-values' }, [this.confidence(mark), ...lines].filter(Boolean).join(' · ')),
        ),
        h('span', { class: 'mark-place', title: t('Series / image') }, this.place(mark)),
      ),
    );
    if (!layer.editable) return row;
    row.append(
      h(
        'span',
        { class: 'mark-actions' },
        this.button('pencil', t('Edit {mark}', { mark: name }), () =>
          this.editing === mark.id ? this.close() : this.edit(mark.id, true),
        ),
        this.button('trash', t('Delete {mark}', { mark: name }), () => this.marks.delete(mark.id)),
      ),
    );
    if (this.editing === mark.id) row.append(this.form(mark));
    else if (missing) row.append(h('p', { class: 'mark-missing' }, t('{field} is missing', { field: missing })));
    return row;
  }

  private button(name: 'pencil' | 'trash', label: string, act: () => void): HTMLElement {
    return h(
      'button',
      { type: 'button', class: 'v-icon-button', 'aria-label': label, title: label, onclick: act },
      icon(name, 14) as HTMLElement,
    );
  }

  /** @param pointed whether by the pointer: then the keys that move and delete the mark act at once. */
  private choose(mark: Mark, pointed: boolean): void {
    this.marks.select(mark.id);
    void this.workspace.goToMark(mark).then(() => {
      this.marks.mirror();
      if (pointed) this.workspace.focus();
    });
  }

  private close(): void {
    this.editing = null;
    (document.activeElement as HTMLElement | null)?.blur();
    this.draw();
    this.workspace.active?.root.focus();
  }

  private confidence(mark: Mark): string {
    if (mark.confidence === null) return '';
    const field = this.fields.find((f) => f.name === 'confidence');
    const top = field?.maximum;
    const value = number(mark.confidence, 2);
    return top ? t('{value} of {most} sure', { value, most: top }) : t('{value} sure', { value });
  }

  private place(mark: Mark): string {
    const series = this.workspace.series.get(mark.series_instance_uid);
    const index = series?.indexOf(mark.sop_instance_uid, mark.frame) ?? -1;
    const n = series?.entry.number;
    return [n === null || n === undefined ? '' : `${n}`, index >= 0 ? `${index + 1}` : ''].filter(Boolean).join(' / ');
  }

  /** The label of the first required field that is empty. */
  private missing(mark: Mark): string {
    const field = this.fields.find(
      (f) => f.required && (f.name === 'confidence' ? mark.confidence === null : !mark[f.name]),
    );
    return field?.label ?? '';
  }

  private form(mark: Mark): HTMLElement {
    const form = h('form', {
      class: 'mark-form',
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        this.close();
      },
      onkeydown: (event: KeyboardEvent) => {
        event.stopPropagation();
        rateByDigit(event);
        if (event.key === 'Escape' || (event.key === 'Enter' && event.target instanceof HTMLInputElement)) {
          event.preventDefault();
          this.close();
        }
      },
    });
    for (const field of this.fields) form.append(this.field(mark, field));
    form.append(h('button', { type: 'submit', class: 'v-button' }, t('Done')));
    return form;
  }

  private field(mark: Mark, field: MarkField): HTMLElement {
    const set = (value: string): void => {
      if (field.name === 'confidence') this.marks.edit(mark.id, { confidence: value === '' ? null : Number(value) });
      else this.marks.edit(mark.id, { [field.name]: value });
    };
    const current =
      field.name === 'confidence' ? (mark.confidence === null ? '' : String(mark.confidence)) : mark[field.name];
    const least = field.minimum ?? 1;
    const most = field.maximum ?? 5;
    if (field.kind === 'scale' && most - least <= 10) {
      const set_ = h('fieldset', { class: 'scale' }, h('legend', {}, field.label));
      const row = h('div', { class: 'scale-row' });
      for (let value = least; value <= most; value += 1) {
        row.append(
          h(
            'label',
            {},
            h('input', {
              type: 'radio',
              name: `${field.name}-${mark.id}`,
              value,
              checked: String(value) === current,
              onchange: () => set(String(value)),
            }),
            h('span', {}, String(value)),
          ),
        );
      }
      set_.append(row);
      if (field.help) set_.append(h('p', { class: 'hint' }, field.help));
      return set_;
    }
    const id = `field-${field.name}-${mark.id}`;
    const label = h('label', { for: id }, field.label);
    if (field.kind === 'choice') {
      const select = h('select', { id, onchange: (event: Event) => set((event.target as HTMLSelectElement).value) });
      select.append(h('option', { value: '' }, '—'));
      for (const [value, words] of field.choices) {
        const option = h('option', { value, selected: value === current }, words);
        select.append(option);
      }
      return h('div', { class: 'field' }, label, select);
    }
    if (field.kind === 'scale') {
      const output = h('output', {}, current || '—');
      const slider = h('input', {
        id,
        type: 'range',
        min: least,
        max: most,
        value: current || Math.round((least + most) / 2),
        oninput: (event: Event) => {
          const { value } = event.target as HTMLInputElement;
          output.textContent = value;
          set(value);
        },
      });
      return h('div', { class: 'field' }, label, h('span', { class: 'slider' }, slider, output));
    }
    return h(
      'div',
      { class: 'field' },
      label,
      h('input', {
        id,
        type: field.kind === 'number' ? 'number' : 'text',
        value: current,
        maxlength: 200,
        min: field.kind === 'number' ? field.minimum : null,
        max: field.kind === 'number' ? field.maximum : null,
        oninput: (event: Event) => set((event.target as HTMLInputElement).value),
      }),
    );
  }

  drawState(): void {
    const node = this.root.querySelector('.marks-state');
    if (!node) return;
    const { state, message } = this.saving;
    const words: Record<string, string> = {
      saved: this.marks.editable?.marks.size ? t('Saved') : '',
      waiting: t('Saving…'),
      saving: t('Saving…'),
      none: this.marks.editable ? t('Marks here are not kept.') : '',
    };
    node.className = `marks-state is-${state}`;
    const text = message || words[state] || '';
    if (node.firstChild?.textContent !== text || state === 'conflict')
      node.replaceChildren(text ? h('span', {}, text) : '');
    if (state !== 'conflict') return;
    node.append(
      h(
        'span',
        { class: 'row' },
        h('button', { type: 'button', class: 'v-button', onclick: () => this.onResolve('mine') }, t('Keep these')),
        h(
          'button',
          { type: 'button', class: 'v-button', onclick: () => this.onResolve('theirs') },
          t('Take the saved ones'),
        ),
      ),
    );
  }
}

export function layerName(layer: Pick<LayerState, 'label' | 'role'>): string {
  return layer.label || (ROLES[layer.role] as () => string)();
}

/** Digits rate while a scale has the focus; 0 is the tenth step where there is no step 0. */
function rateByDigit(event: KeyboardEvent): void {
  if (!/^[0-9]$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
  const scale = (event.target as Element).closest('.scale');
  const step = (value: string): HTMLInputElement | null | undefined => scale?.querySelector(`input[value="${value}"]`);
  const input = step(event.key) ?? (event.key === '0' ? step('10') : null);
  if (!input) return;
  event.preventDefault();
  input.focus();
  input.click();
}

function tint(element: Element, colour: string): HTMLElement {
  (element as SVGElement).style.color = colour;
  return element as HTMLElement;
}

export function markSummary(mark: Mark): string {
  return [(NAMES[mark.tool] as () => string)(), ...mark.measurements.map(quantity)].join(' ');
}
