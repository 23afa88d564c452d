export * from './config.ts';
export * from './drop-reason.ts';
export * from './hook.ts';
export * from './netfilter/host.ts';
export * from './netfilter/iptables/rule.ts';
export * from './random.ts';
export * from './skb.ts';
