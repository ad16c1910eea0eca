/** Bulk data that metadata only points at (PS3.18 F.2.6), put into the metadata where the image loader looks for it. */

import { getBytes } from './api';

interface Attribute {
  vr: string;
  Value?: unknown[];
  BulkDataURI?: string;
  InlineBinary?: string;
}

/** Red, green and blue palette tables (PS3.3 C.7.6.3.1.6), plain and segmented. */
const TABLES = ['00281201', '00281202', '00281203', '00281221', '00281222', '00281223'];

function pending(dataset: Record<string, Attribute>): Attribute[] {
  return TABLES.map((tag) => dataset[tag]).filter(
    (attribute): attribute is Attribute => Boolean(attribute?.BulkDataURI) && !attribute?.InlineBinary,
  );
}

export const hasPendingTables = (dataset: Record<string, Attribute>): boolean => pending(dataset).length > 0;

export async function fetchTables(dataset: Record<string, Attribute>): Promise<void> {
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
