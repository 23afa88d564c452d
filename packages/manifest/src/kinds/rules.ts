import type { KubeObject } from '../objects.ts';
import type { Causes } from '../validate/cause.ts';
import { defaultNamespace, defaultNode, validateNamespace, validateNode } from './cluster.ts';
import { defaultEndpointSlice, defaultEndpoints, repackSubsets, validateEndpointSlice, validateEndpoints } from './endpoints.ts';
import { defaultService, validateService } from './service.ts';

/** What the API server does with a kind, besides reading it. Objects are in stored form and may be edited in place. */
export interface KindRules<T extends KubeObject = KubeObject> {
  /** Defaults, before validation. */
  defaults?(object: T): void;
  validate?(object: T, causes: Causes): void;
  /** Changes made to objects that were accepted. */
  store?(object: T): void;
}

const rules = <T extends KubeObject>(of: KindRules<T>): KindRules => of;

const RULES: Readonly<Record<string, KindRules>> = {
  Service: rules({ defaults: defaultService, validate: validateService }),
  Endpoints: rules({ defaults: defaultEndpoints, validate: validateEndpoints, store: repackSubsets }),
  EndpointSlice: rules({ defaults: defaultEndpointSlice, validate: validateEndpointSlice }),
  Namespace: rules({ defaults: defaultNamespace, validate: validateNamespace }),
  Node: rules({ defaults: defaultNode, validate: validateNode }),
};

/** The rules of a kind that has a schema. */
export function rulesOf(kind: string): KindRules {
  return Object.hasOwn(RULES, kind) ? RULES[kind]! : {};
}
