<?php

use GatewayWorker\Lib\Gateway;

// What clients do: {"join": "room", "name": "Ada"}, then {"say": "…"}.
class Events
{
    public static function onMessage(string $client, string $message): void
    {
        $said = json_decode($message, true);
        if (isset($said['join'], $said['name'])) {
            $_SESSION = ['room' => (string) $said['join'], 'name' => (string) $said['name']];
            Gateway::joinGroup($client, $_SESSION['room']);
            $here = array_column(Gateway::getClientSessionsByGroup($_SESSION['room']), 'name');
            Gateway::sendToCurrentClient(json_encode(['here' => $here]));
            Gateway::sendToGroup($_SESSION['room'], json_encode(['joined' => $_SESSION['name']]), [$client]);
        } elseif (isset($said['say'], $_SESSION['room'])) {
            Gateway::sendToGroup($_SESSION['room'], json_encode([
                'from' => $_SESSION['name'],
                'text' => $said['say'],
            ]));
        }
    }

    public static function onClose(string $client): void
    {
        if (isset($_SESSION['room'])) {
            Gateway::sendToGroup($_SESSION['room'], json_encode(['left' => $_SESSION['name']]));
        }
    }
}
