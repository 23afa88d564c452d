export * from './kubectl/index.ts';
