export * from './invariants.ts';
export * from './model.ts';
