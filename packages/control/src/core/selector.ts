import type { LabelSelector } from '@netsim/manifest';

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
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false;
    }
  });
}

/**
 * The label pairs one of which every matching object must have, the fewest the selector allows to name: its first
 * `key=value`, or the values of its first `In`. `undefined` where it demands no particular value.
 */
export function requiredPairs(selector: LabelSelector): string[] | undefined {
  for (const key in selector.matchLabels) return [pair(key, selector.matchLabels[key]!)];
  const oneOf = selector.matchExpressions?.find(({ operator }) => operator === 'In');
  return oneOf?.values?.map((value) => pair(oneOf.key, value));
}

/** Key of a label and its value in an index; `=` is no character of a label key. */
export function pair(key: string, value: string): string {
  return `${key}=${value}`;
}
