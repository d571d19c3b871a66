<?php

declare(strict_types=1);

namespace App\Controller;

use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\HttpFoundation\Cookie;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/** A page with Twig, one with JSON, and one that fails. */
final class Pages extends AbstractController
{
    public function home(Request $request): Response
    {
        $visits = 1 + $request->cookies->getInt('visits');
        $response = $this->render('home.html.twig', ['visits' => $visits, 'pid' => getmypid()]);
        $response->headers->setCookie(Cookie::create('visits', (string) $visits, '+30 days'));

        return $response;
    }

    public function hello(string $name, Request $request): JsonResponse
    {
        return $this->json([
            'hello' => $name,
            'query' => $request->query->all(),
            'client' => $request->getClientIp(),
            'url' => $this->generateUrl('hello', ['name' => $name], 0),
        ]);
    }

    public function broken(): never
    {
        throw new \RuntimeException('the database of example.internal refused our password');
    }
}
