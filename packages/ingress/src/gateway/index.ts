export { gatewayFindings } from './findings.ts';
export { meshRouter } from './mesh.ts';
export { type ConnectionPlan, type FrontConnection, type GatewayRouter, gatewayRouter } from './router.ts';
export { gatewayStatus, type StatusOptions, type StatusUpdate } from './status.ts';
export type { GatewayView, ObjectKey } from './view.ts';
