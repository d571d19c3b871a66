package listen

// Connections is how many clients are connected now.
func (s *Server) Connections() int {
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	return len(s.clients.open)
}
