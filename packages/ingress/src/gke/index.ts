export { type GkeBackendService, gkeBackendService } from './backend-service.ts';
export { type GkeRouter, gkeRouter } from './gke-router.ts';
export { type GkeClass, gkeClassOf } from './ingress-class.ts';
