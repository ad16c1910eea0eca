/** What server-rendered content of the panel may say to the viewer, by `data-viewer-…` attributes (docs/viewer.md). */

import type { App } from './app';
import { confirmed } from './confirm';
import type { Mark } from './contract';
import type { ToolName } from './cornerstone';

interface HtmxDetail {
  elt?: Element;
  parameters?: Record<string, unknown> & { set?: (name: string, value: string) => void };
  successful?: boolean;
}

export class PanelHooks {
  constructor(
    private readonly root: HTMLElement,
    private readonly app: App,
  ) {
    root.addEventListener('click', (event) => this.click(event));
    root.addEventListener('submit', (event) => this.submit(event), { capture: true });
    root.addEventListener('htmx:configRequest', (event) => this.configure(event as CustomEvent<HtmxDetail>));
    root.addEventListener('htmx:afterRequest', (event) => this.answered(event as CustomEvent<HtmxDetail>));
    root.addEventListener('htmx:load', () => app.chromeSoon());
    document.addEventListener('viewer:reload', (event) => {
      const detail = (event as CustomEvent<{ url?: string } | null>).detail;
      void app.reload(detail?.url);
    });
  }

  private click(event: MouseEvent): void {
    const target = (event.target as Element).closest<HTMLElement>(
      '[data-viewer-tool], [data-viewer-goto], [data-viewer-goto-mark], [data-viewer-layer]',
    );
    if (!target || !this.root.contains(target)) return;
    const { viewerTool, viewerGroup, viewerGoto, viewerGotoMark, viewerLayer } = target.dataset;
    const { app } = this;
    if (viewerTool && app.offers(viewerTool as ToolName)) {
      if (app.marks.group !== (viewerGroup ?? '')) app.giveUpDrawing();
      app.marks.group = viewerGroup ?? '';
      app.setTool(viewerTool as ToolName);
      app.closePanelOnSmallScreens();
      app.workspace.focus();
    }
    // A key press leaves the focus where it is, so that the next of a list can be reached.
    if ((viewerGoto || viewerGotoMark) && event.detail > 0) app.workspace.focus();
    if (viewerGoto) {
      try {
        void app.workspace.goTo(JSON.parse(viewerGoto) as { series: string; sop: string; frame: number });
        app.closePanelOnSmallScreens();
      } catch {
        console.warn('data-viewer-goto is not JSON', viewerGoto);
      }
    }
    if (viewerGotoMark) app.showMark(viewerGotoMark);
    if (viewerLayer) {
      const layer = app.marks.layers.find((l) => l.name === viewerLayer);
      if (layer) app.marks.show(viewerLayer, !layer.visible);
    }
    this.refresh();
  }

  private form(element: EventTarget | null | undefined): HTMLFormElement | null {
    return (element as Element | null)?.closest?.<HTMLFormElement>('form[data-viewer-commit]') ?? null;
  }

  private submit(event: Event): void {
    const asked = event.target as HTMLFormElement;
    const { confirm: question, confirmed: answer } = asked.dataset;
    if (question && answer !== 'yes') {
      event.preventDefault();
      event.stopPropagation();
      void confirmed(question).then((yes) => {
        if (!yes) return;
        asked.dataset['confirmed'] = 'yes';
        asked.requestSubmit();
      });
      return;
    }
    const form = this.form(event.target);
    if (!form) return;
    const value = JSON.stringify(this.app.marks.own());
    let field = form.querySelector<HTMLInputElement>('input[type=hidden][name=marks]');
    if (!field) {
      field = document.createElement('input');
      field.type = 'hidden';
      field.name = 'marks';
      form.append(field);
    }
    field.value = value;
    void this.app.telemetry.flush();
  }

  private configure(event: CustomEvent<HtmxDetail>): void {
    const form = this.form(event.detail.elt);
    if (!form || !event.detail.parameters) return;
    event.detail.parameters['marks'] = JSON.stringify(this.app.marks.own());
  }

  private answered(event: CustomEvent<HtmxDetail>): void {
    if (this.form(event.detail.elt) && event.detail.successful) this.app.saving.done();
  }

  /** Counts and switches follow the marks. */
  refresh(): void {
    const { marks } = this.app;
    const own: Mark[] = marks.own();
    for (const output of this.root.querySelectorAll<HTMLElement>('[data-viewer-mark-count]')) {
      const group = output.dataset['viewerMarkCount'];
      output.textContent = String(own.filter((mark) => !group || mark.group === group).length);
    }
    for (const button of this.root.querySelectorAll<HTMLElement>('[data-viewer-layer]')) {
      const layer = marks.layers.find((l) => l.name === button.dataset['viewerLayer']);
      button.setAttribute('aria-pressed', String(layer?.visible ?? false));
    }
    for (const button of this.root.querySelectorAll<HTMLElement>('[data-viewer-tool]')) {
      const { viewerTool, viewerGroup } = button.dataset;
      button.setAttribute('aria-pressed', String(this.app.tool === viewerTool && marks.group === (viewerGroup ?? '')));
    }
  }
}
