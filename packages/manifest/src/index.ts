export * from './files.ts';
export * from './finding.ts';
export * from './load.ts';
export * from './nearest.ts';
export * from './objects.ts';
export { formatPath } from './path.ts';
export type { ManifestSource } from './read/documents.ts';
export * from './store.ts';
