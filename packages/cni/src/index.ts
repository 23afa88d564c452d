export * from './config.ts';
export * from './flannel-rules.ts';
export * from './mac.ts';
export * from './machine.ts';
export * from './planner.ts';
export * from './underlay.ts';
