export * from './address.ts';
export * from './protocol.ts';
