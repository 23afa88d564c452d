export { parseServerKey, type Scheme, type ServerAddress } from './keys.ts';
export {
  type Corefile,
  CorefileError,
  type CorefileOptions,
  type CorefilePlace,
  type Directive,
  parseCorefile,
  type ServerBlock,
  type ServerKey,
  type Statement,
} from './parse.ts';
export { PLUGIN_ORDER } from './plugins.ts';
