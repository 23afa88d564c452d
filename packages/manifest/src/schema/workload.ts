import type { StructTable } from './type.ts';

/** apps/v1 and batch/v1. */
export const WORKLOAD: StructTable = {
  Deployment: 'metadata:ObjectMeta spec:DeploymentSpec status:DeploymentStatus',
  DeploymentSpec: `replicas:*int32 selector:*LabelSelector! template:PodTemplateSpec strategy:DeploymentStrategy
    minReadySeconds:int32 revisionHistoryLimit:*int32 paused:bool progressDeadlineSeconds:*int32`,
  DeploymentStrategy: 'type rollingUpdate:*RollingUpdateDeployment',
  RollingUpdateDeployment: 'maxUnavailable:*IntOrString maxSurge:*IntOrString',
  DeploymentStatus: `observedGeneration:int64 replicas:int32 updatedReplicas:int32 readyReplicas:int32
    availableReplicas:int32 unavailableReplicas:int32 terminatingReplicas:*int32 conditions:[]DeploymentCondition
    collisionCount:*int32`,
  DeploymentCondition: 'type! status! lastUpdateTime:Time! lastTransitionTime:Time! reason message',

  ReplicaSet: 'metadata:ObjectMeta spec:ReplicaSetSpec status:ReplicaSetStatus',
  ReplicaSetSpec: 'replicas:*int32 minReadySeconds:int32 selector:*LabelSelector! template:PodTemplateSpec',
  ReplicaSetStatus: `replicas:int32! fullyLabeledReplicas:int32 readyReplicas:int32 availableReplicas:int32
    terminatingReplicas:*int32 observedGeneration:int64 conditions:[]WorkloadCondition`,

  StatefulSet: 'metadata:ObjectMeta spec:StatefulSetSpec status:StatefulSetStatus',
  StatefulSetSpec: `replicas:*int32 selector:*LabelSelector! template:PodTemplateSpec
    volumeClaimTemplates:[]PersistentVolumeClaim serviceName! podManagementPolicy updateStrategy:StatefulSetUpdateStrategy
    revisionHistoryLimit:*int32 minReadySeconds:int32
    persistentVolumeClaimRetentionPolicy:*StatefulSetPersistentVolumeClaimRetentionPolicy ordinals:*StatefulSetOrdinals`,
  StatefulSetUpdateStrategy: 'type rollingUpdate:*RollingUpdateStatefulSet',
  RollingUpdateStatefulSet: 'partition:*int32 maxUnavailable:*IntOrString',
  StatefulSetPersistentVolumeClaimRetentionPolicy: 'whenDeleted whenScaled',
  StatefulSetOrdinals: 'start:int32!',
  StatefulSetStatus: `observedGeneration:int64 replicas:int32! readyReplicas:int32 currentReplicas:int32
    updatedReplicas:int32 currentRevision updateRevision collisionCount:*int32 conditions:[]WorkloadCondition
    availableReplicas:int32!`,

  DaemonSet: 'metadata:ObjectMeta spec:DaemonSetSpec status:DaemonSetStatus',
  DaemonSetSpec: `selector:*LabelSelector! template:PodTemplateSpec updateStrategy:DaemonSetUpdateStrategy
    minReadySeconds:int32 revisionHistoryLimit:*int32`,
  DaemonSetUpdateStrategy: 'type rollingUpdate:*RollingUpdateDaemonSet',
  RollingUpdateDaemonSet: 'maxUnavailable:*IntOrString maxSurge:*IntOrString',
  DaemonSetStatus: `currentNumberScheduled:int32! numberMisscheduled:int32! desiredNumberScheduled:int32!
    numberReady:int32! observedGeneration:int64 updatedNumberScheduled:int32 numberAvailable:int32
    numberUnavailable:int32 collisionCount:*int32 conditions:[]WorkloadCondition`,

  Job: 'metadata:ObjectMeta spec:JobSpec status:JobStatus',
  JobSpec: `parallelism:*int32 completions:*int32 activeDeadlineSeconds:*int64 podFailurePolicy:*PodFailurePolicy
    successPolicy:*SuccessPolicy backoffLimit:*int32 backoffLimitPerIndex:*int32 maxFailedIndexes:*int32
    selector:*LabelSelector manualSelector:*bool template:PodTemplateSpec ttlSecondsAfterFinished:*int32
    completionMode:*string suspend:*bool podReplacementPolicy:*string managedBy:*string`,
  PodFailurePolicy: 'rules:[]PodFailurePolicyRule!',
  PodFailurePolicyRule: `action! onExitCodes:*PodFailurePolicyOnExitCodes
    onPodConditions:[]PodFailurePolicyOnPodCondition`,
  PodFailurePolicyOnExitCodes: 'containerName:*string operator! values:[]int32!',
  PodFailurePolicyOnPodCondition: 'type! status',
  SuccessPolicy: 'rules:[]SuccessPolicyRule!',
  SuccessPolicyRule: 'succeededIndexes:*string succeededCount:*int32',
  JobStatus: `conditions:[]JobCondition startTime:*Time completionTime:*Time active:int32 succeeded:int32 failed:int32
    terminating:*int32 completedIndexes failedIndexes:*string uncountedTerminatedPods:*UncountedTerminatedPods
    ready:*int32`,
  JobCondition: 'type! status! lastProbeTime:Time! lastTransitionTime:Time! reason message',
  UncountedTerminatedPods: 'succeeded:[]string failed:[]string',

  CronJob: 'metadata:ObjectMeta spec:CronJobSpec status:CronJobStatus',
  CronJobSpec: `schedule! timeZone:*string startingDeadlineSeconds:*int64 concurrencyPolicy suspend:*bool
    jobTemplate:JobTemplateSpec successfulJobsHistoryLimit:*int32 failedJobsHistoryLimit:*int32`,
  JobTemplateSpec: 'metadata:ObjectMeta spec:JobSpec',
  CronJobStatus: 'active:[]ObjectReference lastScheduleTime:*Time lastSuccessfulTime:*Time',
};
