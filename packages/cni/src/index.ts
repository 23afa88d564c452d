export * from './config.ts';
export * from './config-files.ts';
export * from './flannel-rules.ts';
export * from './ip-commands.ts';
export * from './mac.ts';
export * from './machine.ts';
export * from './planner.ts';
export * from './underlay.ts';
