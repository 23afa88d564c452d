export * from './gateway/index.ts';
export * from './gke/index.ts';
export * from './ingress/router.ts';
export type * from './ingress/view.ts';
export type * from './model.ts';
