/** Bulk data that metadata only points at (PS3.18 F.2.6), put into the metadata where the image loader looks for it. */

import { getBytes } from './api';
import type { Attribute, Dataset } from './display';

/** Red, green and blue palette tables (PS3.3 C.7.6.3.1.6), plain and segmented. */
const TABLES = ['00281201', '00281202', '00281203', '00281221', '00281222', '00281223'];
/** Modality LUT and VOI LUT Sequence, whose items have LUT Data. */
const SEQUENCES = ['00283000', '00283010'];
const OVERLAY_DATA = /^60[01].3000$/i;

function pending(dataset: Dataset): Attribute[] {
  const items = SEQUENCES.flatMap((tag) => (dataset[tag]?.Value ?? []) as Dataset[]);
  const overlays = Object.keys(dataset).filter((tag) => OVERLAY_DATA.test(tag));
  return [...[...TABLES, ...overlays].map((tag) => dataset[tag]), ...items.map((one) => one?.['00283006'])].filter(
    (attribute): attribute is Attribute => Boolean(attribute?.BulkDataURI) && !attribute?.InlineBinary,
  );
}

export const hasPendingTables = (dataset: Dataset): boolean => pending(dataset).length > 0;

export async function fetchTables(dataset: Dataset): Promise<void> {
  await Promise.all(
    pending(dataset).map(async (attribute) => {
      attribute.InlineBinary = base64(await getBytes(attribute.BulkDataURI ?? ''));
      delete attribute.BulkDataURI;
    }),
  );
}

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
