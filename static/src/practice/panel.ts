/** On small screens the panel lies over the image; a button in the head brings it and takes it away. */
export function startPanelToggle(): void {
  document.addEventListener('click', (event) => {
    if (!(event.target instanceof Element) || !event.target.closest('[data-panel-toggle]')) return;
    const viewer = document.getElementById('viewer');
    if (!viewer) return;
    viewer.dataset['panel'] = viewer.dataset['panel'] === 'closed' ? 'open' : 'closed';
    window.dispatchEvent(new Event('resize'));
  });
}
