export * from './gateway/index.ts';
export type * from './model.ts';
