import type { StructTable } from './type.ts';

/** Volumes of a pod and claims: core/v1. */
export const VOLUME: StructTable = {
  Volume: `name! hostPath:*HostPathVolumeSource@VolumeSource emptyDir:*EmptyDirVolumeSource@VolumeSource
    gcePersistentDisk:*GCEPersistentDisk@VolumeSource awsElasticBlockStore:*AWSElasticBlockStore@VolumeSource
    gitRepo:*GitRepo@VolumeSource secret:*SecretVolumeSource@VolumeSource nfs:*NFSVolumeSource@VolumeSource
    iscsi:*ISCSIVolumeSource@VolumeSource glusterfs:*Glusterfs@VolumeSource
    persistentVolumeClaim:*PersistentVolumeClaimVolumeSource@VolumeSource rbd:*RBD@VolumeSource
    flexVolume:*FlexVolume@VolumeSource cinder:*Cinder@VolumeSource cephfs:*CephFS@VolumeSource
    flocker:*Flocker@VolumeSource downwardAPI:*DownwardAPIVolumeSource@VolumeSource fc:*FC@VolumeSource
    azureFile:*AzureFile@VolumeSource configMap:*ConfigMapVolumeSource@VolumeSource
    vsphereVolume:*VsphereVirtualDisk@VolumeSource quobyte:*Quobyte@VolumeSource azureDisk:*AzureDisk@VolumeSource
    photonPersistentDisk:*PhotonPersistentDisk@VolumeSource projected:*ProjectedVolumeSource@VolumeSource
    portworxVolume:*PortworxVolume@VolumeSource scaleIO:*ScaleIO@VolumeSource storageos:*StorageOS@VolumeSource
    csi:*CSIVolumeSource@VolumeSource ephemeral:*EphemeralVolumeSource@VolumeSource
    image:*ImageVolumeSource@VolumeSource`,
  HostPathVolumeSource: 'path! type:*string!',
  EmptyDirVolumeSource: 'medium sizeLimit:*Quantity',
  GCEPersistentDisk: 'pdName! fsType partition:int32 readOnly:bool',
  AWSElasticBlockStore: 'volumeID! fsType partition:int32 readOnly:bool',
  GitRepo: 'repository! revision directory',
  SecretVolumeSource: 'secretName items:[]KeyToPath defaultMode:*int32 optional:*bool',
  NFSVolumeSource: 'server! path! readOnly:bool',
  ISCSIVolumeSource: `targetPortal! iqn! lun:int32! iscsiInterface fsType readOnly:bool portals:[]string
    chapAuthDiscovery:bool chapAuthSession:bool secretRef:*LocalObjectReference initiatorName:*string`,
  Glusterfs: 'endpoints! path! readOnly:bool',
  PersistentVolumeClaimVolumeSource: 'claimName! readOnly:bool',
  RBD: 'monitors:[]string! image! fsType pool user keyring secretRef:*LocalObjectReference readOnly:bool',
  FlexVolume: 'driver! fsType secretRef:*LocalObjectReference readOnly:bool options:map[string]',
  Cinder: 'volumeID! fsType readOnly:bool secretRef:*LocalObjectReference',
  CephFS: 'monitors:[]string! path user secretFile secretRef:*LocalObjectReference readOnly:bool',
  Flocker: 'datasetName datasetUUID',
  DownwardAPIVolumeSource: 'items:[]DownwardAPIVolumeFile defaultMode:*int32',
  DownwardAPIVolumeFile: 'path! fieldRef:*ObjectFieldSelector resourceFieldRef:*ResourceFieldSelector mode:*int32',
  FC: 'targetWWNs:[]string lun:*int32 fsType readOnly:bool wwids:[]string',
  AzureFile: 'secretName! shareName! readOnly:bool',
  ConfigMapVolumeSource: 'name items:[]KeyToPath defaultMode:*int32 optional:*bool',
  KeyToPath: 'key! path! mode:*int32',
  VsphereVirtualDisk: 'volumePath! fsType storagePolicyName storagePolicyID',
  Quobyte: 'registry! volume! readOnly:bool user group tenant',
  AzureDisk: 'diskName! diskURI! cachingMode:*string fsType:*string readOnly:*bool kind:*string',
  PhotonPersistentDisk: 'pdID! fsType',
  PortworxVolume: 'volumeID! fsType readOnly:bool',
  ScaleIO: `gateway! system! secretRef:*LocalObjectReference! sslEnabled:bool protectionDomain storagePool storageMode
    volumeName fsType readOnly:bool`,
  StorageOS: 'volumeName volumeNamespace fsType readOnly:bool secretRef:*LocalObjectReference',
  CSIVolumeSource: `driver! readOnly:*bool fsType:*string volumeAttributes:map[string]
    nodePublishSecretRef:*LocalObjectReference`,
  EphemeralVolumeSource: 'volumeClaimTemplate:*PersistentVolumeClaimTemplate',
  PersistentVolumeClaimTemplate: 'metadata:ObjectMeta spec:PersistentVolumeClaimSpec',
  ImageVolumeSource: 'reference pullPolicy',
  ProjectedVolumeSource: 'sources:[]VolumeProjection! defaultMode:*int32',
  VolumeProjection: `secret:*SecretProjection downwardAPI:*DownwardAPIProjection configMap:*ConfigMapProjection
    serviceAccountToken:*ServiceAccountTokenProjection clusterTrustBundle:*ClusterTrustBundleProjection
    podCertificate:*PodCertificateProjection`,
  SecretProjection: 'name items:[]KeyToPath optional:*bool',
  DownwardAPIProjection: 'items:[]DownwardAPIVolumeFile',
  ConfigMapProjection: 'name items:[]KeyToPath optional:*bool',
  ServiceAccountTokenProjection: 'audience expirationSeconds:*int64 path!',
  ClusterTrustBundleProjection: 'name:*string signerName:*string labelSelector:*LabelSelector optional:*bool path!',
  PodCertificateProjection: `signerName keyType maxExpirationSeconds:*int32 credentialBundlePath keyPath
    certificateChainPath userAnnotations:map[string]`,

  PersistentVolumeClaim:
    'kind apiVersion metadata:ObjectMeta spec:PersistentVolumeClaimSpec status:PersistentVolumeClaimStatus',
  PersistentVolumeClaimSpec: `accessModes:[]string selector:*LabelSelector resources:VolumeResourceRequirements volumeName
    storageClassName:*string volumeMode:*string dataSource:*TypedLocalObjectReference
    dataSourceRef:*TypedObjectReference volumeAttributesClassName:*string`,
  VolumeResourceRequirements: 'limits:map[Quantity] requests:map[Quantity]',
  PersistentVolumeClaimStatus: `phase accessModes:[]string capacity:map[Quantity] conditions:any
    allocatedResources:map[Quantity] allocatedResourceStatuses:map[string] currentVolumeAttributesClassName:*string
    modifyVolumeStatus:any`,
};
