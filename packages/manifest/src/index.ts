export * from './finding.ts';
export * from './objects.ts';
export * from './store.ts';
