import { applyDecorators, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { RouteConfig } from '@nestjs/platform-fastify';

const publicRoute = 'kubernaut:public';

/** A route that needs no token. Every other needs one: protection is what a route has when nobody thought of it. */
export function Public(): MethodDecorator {
  return applyDecorators(SetMetadata(publicRoute, true), RouteConfig({ public: true }));
}

export function isPublic(reflector: Reflector, context: ExecutionContext): boolean {
  return (
    reflector.getAllAndOverride<boolean | undefined>(publicRoute, [context.getHandler(), context.getClass()]) === true
  );
}
