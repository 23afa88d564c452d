export * from './coredns/index.ts';
export * from './corefile/index.ts';
export * from './resolver/index.ts';
