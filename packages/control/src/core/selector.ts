import { type LabelSelector, matchesOperator } from '@netsim/manifest';

export type Labels = Readonly<Record<string, string>>;

const none: Labels = {};

/** Whether labels satisfy a plain `key: value` selector, as a Service has it. An empty selector matches everything. */
export function matchesLabels(selector: Labels, labels: Labels = none): boolean {
  for (const key in selector) {
    if (!Object.hasOwn(labels, key) || labels[key] !== selector[key]) return false;
  }
  return true;
}

/**
 * Whether labels satisfy a LabelSelector, as metav1.LabelSelectorAsSelector reads it: no selector matches nothing, an
 * empty one everything. An unknown operator matches nothing (the API server refuses it).
 */
export function matchesSelector(selector: LabelSelector | undefined, labels: Labels = none): boolean {
  if (selector === undefined) return false;
  if (selector.matchLabels !== undefined && !matchesLabels(selector.matchLabels, labels)) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    return matchesOperator(operator, value, values);
  });
}

/**
 * A label of which every matching object must have one of these values: the selector's first `key: value`, or its first
 * `In`. `undefined` where it demands no particular value.
 */
export function requiredLabel(selector: LabelSelector): { key: string; values: readonly string[] } | undefined {
  for (const key in selector.matchLabels) return { key, values: [selector.matchLabels[key]!] };
  const oneOf = selector.matchExpressions?.find(({ operator }) => operator === 'In');
  return oneOf === undefined ? undefined : { key: oneOf.key, values: oneOf.values ?? [] };
}
