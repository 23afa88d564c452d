export * from './host.ts';
export { IptablesError, type IptablesProblem } from './iptables/error.ts';
export { type Counter, type PrintOptions, printIptablesSave, printRule } from './iptables/print.ts';
export { applyRestore, parseIptablesSave } from './iptables/restore.ts';
export * from './iptables/rule.ts';
export { verifyRuleset } from './iptables/verify.ts';
