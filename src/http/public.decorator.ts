import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';

/** A route that needs no token. Every other needs one: protection is what a route has when nobody thought of it. */
export function Public(): MethodDecorator {
  return RouteConfig({ public: true });
}

export function isPublic({ routeOptions }: FastifyRequest): boolean {
  return (routeOptions.config as { public?: boolean }).public === true;
}
