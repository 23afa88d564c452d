import type { StructTable } from './type.ts';

/** apimachinery's meta/v1: what all kinds share. */
export const META: StructTable = {
  /** What any object has, when nothing else is known of it. */
  AnyKind: 'metadata:ObjectMeta',
  ObjectMeta: `name generateName namespace selfLink uid resourceVersion generation:int64 creationTimestamp:*Time
    deletionTimestamp:*Time deletionGracePeriodSeconds:*int64 labels:map[string] annotations:map[string]
    ownerReferences:[]OwnerReference finalizers:[]string managedFields:[]ManagedFieldsEntry`,
  OwnerReference: 'apiVersion! kind! name! uid! controller:*bool blockOwnerDeletion:*bool',
  ManagedFieldsEntry: 'manager operation apiVersion time:*Time fieldsType fieldsV1:any subresource',
  LabelSelector: 'matchLabels:map[string] matchExpressions:[]LabelSelectorRequirement',
  LabelSelectorRequirement: 'key! operator! values:[]string',
  Condition: 'type! status! observedGeneration:int64 lastTransitionTime:Time! reason! message!',
  ObjectReference: 'kind namespace name uid apiVersion resourceVersion fieldPath',
  LocalObjectReference: 'name',
  TypedLocalObjectReference: 'apiGroup:*string! kind! name!',
  TypedObjectReference: 'apiGroup:*string! kind! name! namespace:*string',
};
